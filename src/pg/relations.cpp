#include "monitoring/pg/relations.hpp"

#include "monitoring/pg/transaction.hpp"
#include "monitoring/pg/version.hpp"

extern "C" {
#include <access/htup_details.h>
#include <access/transam.h>
#include <catalog/dependency.h>
#include <catalog/namespace.h>
#include <catalog/pg_class.h>
#include <commands/extension.h>
#include <nodes/makefuncs.h>
#include <nodes/nodeFuncs.h>
#include <parser/analyze.h>
#include <storage/lmgr.h>
#include <utils/guc.h>
#include <utils/lsyscache.h>
#include <utils/syscache.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>

namespace monitoring::pg {

namespace {

const NamedRelations* innermost = nullptr;
post_parse_analyze_hook_type next_hook = nullptr;

Oid owner_of(Oid relation) {
  HeapTuple row = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(row)) elog(ERROR, "cache lookup failed for relation %u", relation);
  const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(row))->relowner;
  ReleaseSysCache(row);
  return owner;
}

bool is_ours(Oid relation) {
  const Oid extension = getExtensionOfObject(RelationRelationId, relation);
  return OidIsValid(extension) && extension == get_extension_oid("monitoring", true);
}

[[noreturn]] void refuse(Oid relation) {
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("relation \"%s\" is not the one that was to be read, and belongs to "
                         "somebody else",
                         get_rel_name(relation)),
                  errhint("It was replaced meanwhile, or the query names more relations than its "
                          "source.")));
  pg_unreachable();
}

bool refuse_others(Node* node, void* context);

/// Up to 15 the walkers take functions without a prototype; later they cast what they are given.
bool (*walker())() {
  return reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(refuse_others));
}

/// Called by the parser: plain C, errors are the server's.
bool refuse_others(Node* node, void* context) {
  if (node == nullptr) return false;
  if (IsA(node, RangeTblEntry)) {
    const auto* entry = reinterpret_cast<RangeTblEntry*>(node);
    const auto* named = static_cast<const NamedRelations*>(context);
    if (entry->rtekind == RTE_RELATION && !named->allows(entry->relid)) refuse(entry->relid);
    return false;
  }
  if (IsA(node, Query)) {
    return query_tree_walker(reinterpret_cast<Query*>(node), walker(), context,
                             QTW_EXAMINE_RTES_BEFORE);
  }
  return expression_tree_walker(node, walker(), context);
}

void check_names(ParseState* state, Query* query, JumbleState* jumble) {
  if (next_hook != nullptr) next_hook(state, query, jumble);
  if (state->p_sourcetext == nullptr) return;
  for (const NamedRelations* named = innermost; named != nullptr; named = named->outer()) {
    if (std::strcmp(named->sql(), state->p_sourcetext) != 0) continue;
    refuse_others(reinterpret_cast<Node*>(query), const_cast<NamedRelations*>(named));
    return;
  }
}

}  // namespace

LockedRelation lock_relation(const std::string& qualified_name) {
  const char* name = qualified_name.c_str();
  LockedRelation relation{};
  const auto error = attempt([&] {
    call([&] {
      const int level = NewGUCNestLevel();
      set_config_option("lock_timeout", "1s", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                        false);
      RangeVar* parsed = makeRangeVarFromNameList(qualified_name_list(name));
      relation.oid = RangeVarGetRelidExtended(parsed, AccessShareLock, 0, nullptr, nullptr);
      relation.owner = owner_of(relation.oid);
      relation.kind = get_rel_relkind(relation.oid);
      AtEOXact_GUC(false, level);
    });
  });
  if (error) throw Report(error->sqlstate(), error->message());
  return relation;
}

void unlock(const LockedRelation& relation) {
  call([&] {
    // The lock became the transaction's when the subtransaction ended that took it.
    const ResourceOwner current = CurrentResourceOwner;
    CurrentResourceOwner = CurTransactionResourceOwner;
    UnlockRelationOid(relation.oid, AccessShareLock);
    CurrentResourceOwner = current;
  });
}

NamedRelations::NamedRelations(const char* sql, Oid owner, std::initializer_list<Oid> allowed)
    : sql_(sql), owner_(owner), allowed_(allowed), outer_(innermost) {
  if (innermost == nullptr) {
    next_hook = post_parse_analyze_hook;
    post_parse_analyze_hook = check_names;
  }
  innermost = this;
}

NamedRelations::~NamedRelations() {
  innermost = outer_;
  if (innermost == nullptr) post_parse_analyze_hook = next_hook;
}

bool NamedRelations::allows(Oid relation) const {
  if (relation < FirstNormalObjectId) return true;
  if (std::find(allowed_.begin(), allowed_.end(), relation) != allowed_.end()) return true;
  if (OidIsValid(owner_) && owner_of(relation) == owner_) return true;
  return is_ours(relation);
}

}  // namespace monitoring::pg
