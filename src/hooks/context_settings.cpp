#include "hooks/context_settings.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <nodes/parsenodes.h>
#include <nodes/plannodes.h>
#include <utils/fmgroids.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <string_view>

#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/version.hpp"

namespace monitoring::hooks {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

/// The list is short, and looked through only for statements that set something.
bool is_context_setting(std::string_view name) {
  std::string_view list = pg::settings().rls_context_settings;
  while (!list.empty()) {
    const std::size_t begin = std::min(list.find_first_not_of(", "), list.size());
    const std::size_t end = std::min(list.find_first_of(", ", begin), list.size());
    if (begin < end && same_name(name, list.substr(begin, end - begin))) return true;
    list.remove_prefix(end);
  }
  return false;
}

bool is_set(const Node* statement) {
  if (!IsA(statement, VariableSetStmt)) return false;
  const auto* set = reinterpret_cast<const VariableSetStmt*>(statement);
  return set->kind == VAR_SET_VALUE && set->name != nullptr && is_context_setting(set->name);
}

/// set_config('name', ..., ...)
bool is_set_config(const Expr* expression) {
  if (!IsA(expression, FuncExpr)) return false;
  const auto* call = reinterpret_cast<const FuncExpr*>(expression);
  if (call->funcid != F_SET_CONFIG) return false;
  const auto* name = static_cast<const Node*>(linitial(call->args));
  if (!IsA(name, Const)) return false;
  const auto* constant = reinterpret_cast<const Const*>(name);
  if (constant->consttype != TEXTOID || constant->constisnull) return false;
  // A constant of a plan is not toasted, and text of the parser's has no short header.
  const auto* text = reinterpret_cast<const char*>(DatumGetPointer(constant->constvalue));
  return is_context_setting({VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text)});
}

bool selects_set_config(const Plan* plan) {
  if (plan == nullptr || !IsA(plan, Result)) return false;
  ListCell* cell = nullptr;
  foreach (cell, plan->targetlist) {
    if (is_set_config(lfirst_node(TargetEntry, cell)->expr)) return true;
  }
  return false;
}

}  // namespace

bool sets_rls_context(const PlannedStmt* statement) {
  if (pg::settings().rls_context_settings[0] == '\0') return false;
  if (statement->utilityStmt != nullptr) return is_set(statement->utilityStmt);
  return selects_set_config(statement->planTree);
}

}  // namespace monitoring::hooks
