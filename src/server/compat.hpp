/// What differs between the versions of PostgreSQL, 15 to 18: all of it is here.
#pragma once

#include "server/postgres.hpp"

extern "C"
{
#include "access/tupdesc.h"
#include "catalog/pg_constraint.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
}

// 18 lets a module tell its name and version.
#ifndef PG_MODULE_MAGIC_EXT
#define PG_MODULE_MAGIC_EXT(...) PG_MODULE_MAGIC
#endif

namespace contact_sync
{

using TreeWalker = bool (*)(Node *node, void *context);

/// Calls the walker for each of the node's children, until it returns true.
inline bool walk_children(Node *node, TreeWalker walker, void *context)
{
#if PG_VERSION_NUM >= 160000
	return expression_tree_walker(node, walker, context);
#else
	// Declared without parameters; by way of void (*)() no compiler minds.
	return expression_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker)), context);
#endif
}

/// Calls the walker for all that a query consists of, range table entries included.
inline bool walk_query(Query *query, TreeWalker walker, void *context)
{
#if PG_VERSION_NUM >= 160000
	return query_tree_walker(query, walker, context, QTW_EXAMINE_RTES_BEFORE);
#else
	return query_tree_walker(query, reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker)), context,
							 QTW_EXAMINE_RTES_BEFORE);
#endif
}

/// Whether a role could SET ROLE to another one. Before 16 every member could.
inline bool can_set_role(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return member_can_set_role(member, role);
#else
	return is_member_of_role(member, role);
#endif
}

/// Whether a column has no value in the row itself, because it is computed as it is read.
inline bool is_virtual(const FormData_pg_attribute &attribute)
{
#if PG_VERSION_NUM >= 180000
	return attribute.attgenerated == ATTRIBUTE_GENERATED_VIRTUAL;
#else
	(void)attribute;
	return false;
#endif
}

/// An expression of a table's definition, with virtual columns replaced by what computes them: the executor knows none.
inline Node *without_virtual(Node *expression, Relation table)
{
#if PG_VERSION_NUM >= 180000
	return expand_generated_columns_in_expr(expression, table, 1);
#else
	(void)table;
	return expression;
#endif
}

/// Whether rows have to satisfy a constraint.
inline bool is_enforced(const ConstrCheck &constraint)
{
#if PG_VERSION_NUM >= 180000
	return constraint.ccenforced;
#else
	(void)constraint;
	return true;
#endif
}

inline bool is_enforced(const FormData_pg_constraint &constraint)
{
#if PG_VERSION_NUM >= 180000
	return constraint.conenforced;
#else
	(void)constraint;
	return true;
#endif
}

/// A table's CHECK constraints, as the executor has them compiled.
inline ExprState **&compiled_checks(ResultRelInfo &result)
{
#if PG_VERSION_NUM >= 180000
	return result.ri_CheckConstraintExprs;
#else
	return result.ri_ConstraintExprs;
#endif
}

/// Runs a statement to its end.
inline void run(QueryDesc *query)
{
#if PG_VERSION_NUM >= 180000
	ExecutorRun(query, ForwardScanDirection, 0);
#else
	ExecutorRun(query, ForwardScanDirection, 0, true);
#endif
}

} // namespace contact_sync
