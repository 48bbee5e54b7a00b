#include "foreign_code.hpp"

#include "compat.hpp"

extern "C"
{
#include "access/transam.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
}

namespace contact_sync
{

namespace
{

Oid owner_of_function(Oid function)
{
	const HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	const Oid owner = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/// Whether a foreign key's own trigger, on the table it refers to, writes the table that refers.
bool writes_referrer(const Trigger &trigger)
{
	switch (trigger.tgfoid)
	{
	case F_RI_FKEY_CASCADE_DEL:
	case F_RI_FKEY_CASCADE_UPD:
	case F_RI_FKEY_SETNULL_DEL:
	case F_RI_FKEY_SETNULL_UPD:
	case F_RI_FKEY_SETDEFAULT_DEL:
	case F_RI_FKEY_SETDEFAULT_UPD:
		return true;
	default:
		return false;
	}
}

/// Whether a table that a foreign key writes, or a child of it, is foreign or has triggers that are.
bool is_foreign(Oid table, Oid owner, List *&referrers)
{
	LockRelationOid(table, AccessShareLock);
	ListCell *cell;
	foreach (cell, find_all_inheritors(table, AccessShareLock, nullptr))
	{
		const Oid member = lfirst_oid(cell);
		if (list_member_oid(referrers, member))
			continue;
		referrers = lappend_oid(referrers, member);

		const Relation relation = relation_open(member, NoLock);
		bool found = !has_privs_of_role(relation->rd_rel->relowner, owner);
		const TriggerDesc *triggers = relation->trigdesc;
		for (int i = 0; !found && triggers != nullptr && i < triggers->numtriggers; i++)
			found = triggers->triggers[i].tgenabled != TRIGGER_DISABLED &&
					runs_foreign_code(triggers->triggers[i], owner, referrers);
		relation_close(relation, NoLock);
		if (found)
			return true;
	}
	return false;
}

/// Whether a function may do more than compute a value in C. A check_function_callback.
bool does_more_than_compute(Oid function, void * /*context*/)
{
	if (function == F_PG_TRIGGER_DEPTH || function == F_NOW || function == F_GEN_RANDOM_UUID)
		return false;

	const HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return true;
	const auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
	const bool computes = form->provolatile == PROVOLATILE_IMMUTABLE &&
						  (form->prolang == INTERNALlanguageId || form->prolang == ClanguageId);
	ReleaseSysCache(tuple);
	return !computes;
}

/// Whether an expression may do more than compute a value in C. An expression_tree_walker.
bool is_more_than_computation(Node *node, void *context)
{
	if (node == nullptr)
		return false;
	switch (nodeTag(node))
	{
	case T_CoerceViaIO:
		// The input of a type of somebody's making may check a domain inside it.
		if (reinterpret_cast<CoerceViaIO *>(node)->resulttype >= FirstUnpinnedObjectId)
			return true;
		break;
	case T_List:
	case T_Var:
	case T_Const:
	case T_FuncExpr:
	case T_OpExpr:
	case T_DistinctExpr:
	case T_NullIfExpr:
	case T_ScalarArrayOpExpr:
	case T_BoolExpr:
	case T_RelabelType:
	case T_CollateExpr:
	case T_CaseExpr:
	case T_CaseWhen:
	case T_CaseTestExpr:
	case T_ArrayExpr:
	case T_ArrayCoerceExpr:
	case T_RowExpr:
	case T_RowCompareExpr:
	case T_CoalesceExpr:
	case T_CoerceToDomainValue:
	case T_MinMaxExpr:
	case T_SQLValueFunction:
	case T_NullTest:
	case T_BooleanTest:
		break;
	default: // coercions to domains, and all that is not known to be harmless
		return true;
	}

	return check_functions_in_node(node, does_more_than_compute, context) ||
		   walk_children(node, is_more_than_computation, context);
}

} // namespace

bool runs_foreign_code(const Trigger &trigger, Oid owner, List *&referrers)
{
	if (trigger.tgisinternal)
		return writes_referrer(trigger) && is_foreign(trigger.tgconstrrelid, owner, referrers);
	return !has_privs_of_role(owner_of_function(trigger.tgfoid), owner) ||
		   (trigger.tgqual != nullptr && !is_computation(static_cast<Node *>(stringToNode(trigger.tgqual))));
}

bool is_computation(Node *expression)
{
	return !is_more_than_computation(expression, nullptr);
}

bool runs_foreign_code(Oid table, const char *trigger, Oid owner)
{
	bool found = false;
	List *referrers = NIL;
	const Relation relation = relation_open(table, AccessShareLock);
	const TriggerDesc *triggers = relation->trigdesc;
	for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
		if (strcmp(triggers->triggers[i].tgname, trigger) == 0)
			found = runs_foreign_code(triggers->triggers[i], owner, referrers);
	relation_close(relation, NoLock);
	return found;
}

} // namespace contact_sync
