#pragma once
// Relations of others: locked first, looked at under that lock, and then used as what they are.
//
// SQL names relations, and a name may be given to another relation between a look and the use, a
// schema renamed, a table replaced by a view whose code would run. So the lock comes first, what is
// decided (as whom to run, whether it is a table) is read under it, and NamedRelations watches
// which relations the parser finds for the names of the statement.

#include "monitoring/pg/guard.hpp"
// clang-format keeps the server's header first.
#include <initializer_list>
#include <string>
#include <vector>

namespace monitoring::pg {

struct LockedRelation {
  Oid oid;
  Oid owner;
  char kind;  ///< relkind
};

/// Locks the relation of this name, schema.relation, in ACCESS SHARE mode until unlock() or the end
/// of the transaction. A Report if there is none, or if the lock is not free within a second.
LockedRelation lock_relation(const std::string& qualified_name);
void unlock(const LockedRelation& relation);

/// While it lives, a statement with this text, which has to live as long, is refused (55000) when a
/// name in it means a relation that is none of `allowed`, does not belong to `owner`, and is
/// neither the server's nor ours. The statement is recognized by its text, so what functions run
/// inside of it is not looked at.
class NamedRelations {
 public:
  NamedRelations(const char* sql, Oid owner) : NamedRelations(sql, owner, {}) {}
  NamedRelations(const char* sql, std::initializer_list<Oid> allowed)
      : NamedRelations(sql, InvalidOid, allowed) {}
  ~NamedRelations();
  NamedRelations(const NamedRelations&) = delete;
  NamedRelations& operator=(const NamedRelations&) = delete;

  const char* sql() const { return sql_; }
  bool allows(Oid relation) const;
  const NamedRelations* outer() const { return outer_; }

 private:
  NamedRelations(const char* sql, Oid owner, std::initializer_list<Oid> allowed);
  const char* const sql_;
  const Oid owner_;
  const std::vector<Oid> allowed_;
  const NamedRelations* const outer_;
};

}  // namespace monitoring::pg
