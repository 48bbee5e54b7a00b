#include "trust/trust.hpp"

#include "server/compat.hpp"
#include "server/identity.hpp"

extern "C"
{
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/regproc.h"
}

namespace contact_sync
{

namespace
{

needs_fmgr_hook_type previous_needs_hook = nullptr;
fmgr_hook_type previous_hook = nullptr;

/// Whether a function is for triggers, and its owner lacks the rights of a role.
bool is_untrusted(Oid function, Oid role)
{
	const HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	const auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
	const bool untrusted = form->prorettype == TRIGGEROID && !has_privs_of_role(form->proowner, role);
	ReleaseSysCache(tuple);
	return untrusted;
}

bool needs_hook(Oid function)
{
	if (OidIsValid(acting_role()) && is_untrusted(function, acting_role()))
		return true;
	return previous_needs_hook != nullptr && previous_needs_hook(function);
}

void hook(FmgrHookEventType event, FmgrInfo *function, Datum *argument)
{
	// The user is by now the one that the function is to run as.
	if (event == FHET_START && OidIsValid(acting_role()) && GetUserId() == acting_role() &&
		is_untrusted(function->fn_oid, acting_role()))
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("trigger function %s would run with the rights of role \"%s\", which its owner does not have",
					   format_procedure_qualified(function->fn_oid), GetUserNameFromId(acting_role(), false)),
				errhint("Make it SECURITY DEFINER, or transfer it to a role that has these rights."));
	if (previous_hook != nullptr)
		previous_hook(event, function, argument);
}

bool is_pinned(Oid object)
{
	return object < FirstUnpinnedObjectId;
}

/// A check_function_callback.
bool does_more_than_compute(Oid function, void * /*context*/)
{
	if (function == F_PG_TRIGGER_DEPTH || function == F_NOW || function == F_GEN_RANDOM_UUID)
		return false;

	const HeapTuple tuple = is_pinned(function) ? SearchSysCache1(PROCOID, ObjectIdGetDatum(function)) : nullptr;
	if (!HeapTupleIsValid(tuple))
		return true;
	const auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
	const bool computes = form->provolatile == PROVOLATILE_IMMUTABLE && form->prolang == INTERNALlanguageId;
	ReleaseSysCache(tuple);
	return !computes;
}

/// An expression_tree_walker; whole rows are accepted where the context is not null.
bool is_more_than_computation(Node *node, void *of_whole_rows)
{
	if (node == nullptr)
		return false;
	switch (nodeTag(node))
	{
	case T_List:
		return walk_children(node, is_more_than_computation, of_whole_rows);
	case T_Var:
		if (reinterpret_cast<Var *>(node)->varattno == InvalidAttrNumber)
			return of_whole_rows == nullptr;
		if (reinterpret_cast<Var *>(node)->varattno < 0)
			return true;
		break;
	case T_CaseWhen: // has no type
	case T_Const:
	case T_FuncExpr:
	case T_OpExpr:
	case T_DistinctExpr:
	case T_NullIfExpr:
	case T_ScalarArrayOpExpr:
	case T_BoolExpr:
	case T_RelabelType:
	case T_CoerceViaIO:
	case T_CollateExpr:
	case T_CaseExpr:
	case T_CaseTestExpr:
	case T_ArrayExpr:
	case T_ArrayCoerceExpr:
	case T_CoalesceExpr:
	case T_CoerceToDomainValue:
	case T_MinMaxExpr:
	case T_SQLValueFunction:
	case T_NullTest:
	case T_BooleanTest:
		break;
	default: // subqueries, rows, coercions to domains, and all that is not known to be harmless
		return true;
	}

	return (!IsA(node, CaseWhen) && !is_plain_type(exprType(node))) ||
		   check_functions_in_node(node, does_more_than_compute, nullptr) ||
		   walk_children(node, is_more_than_computation, of_whole_rows);
}

} // namespace

void watch_trigger_functions()
{
	previous_needs_hook = std::exchange(needs_fmgr_hook, needs_hook);
	previous_hook = std::exchange(fmgr_hook, hook);
}

bool is_plain_type(Oid type)
{
	return is_pinned(type) || get_typtype(type) == TYPTYPE_ENUM;
}

bool have_plain_types(TupleDesc columns)
{
	for (int i = 0; i < columns->natts; i++)
		if (!TupleDescAttr(columns, i)->attisdropped && !is_plain_type(TupleDescAttr(columns, i)->atttypid))
			return false;
	return true;
}

bool is_computation(Node *expression, bool of_whole_rows)
{
	return !is_more_than_computation(expression, of_whole_rows ? expression : nullptr);
}

} // namespace contact_sync
