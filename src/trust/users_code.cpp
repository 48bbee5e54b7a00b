#include "trust/users_code.hpp"

#include "trust/trust.hpp"

extern "C"
{
#include "access/transam.h"
#include "catalog/pg_index.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "utils/fmgroids.h"
}

namespace contact_sync
{

namespace
{

/// Whether a function is in C and the extension's own, such as touch_updated_at().
bool is_ours(Oid function, const Binding &binding)
{
	const HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	const auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
	const bool is_ours = form->prolang == ClanguageId && form->pronamespace == get_func_namespace(binding.function);
	ReleaseSysCache(tuple);
	return is_ours;
}

/// Whether a trigger runs no code of users: it is ours, or checks a foreign key to the customers.
bool is_harmless(const Trigger &trigger, const Binding &binding)
{
	if (trigger.tgenabled == TRIGGER_DISABLED)
		return true;
	if (trigger.tgisinternal)
		return (trigger.tgfoid == F_RI_FKEY_CHECK_INS || trigger.tgfoid == F_RI_FKEY_CHECK_UPD) &&
			   list_member_oid(binding.tables, trigger.tgconstrrelid);
	return trigger.tgqual == nullptr && is_ours(trigger.tgfoid, binding);
}

/// Whether an expression as the catalog has it, or each of a list of them, only computes.
bool is_computation(const char *expression)
{
	return contact_sync::is_computation(static_cast<Node *>(stringToNode(expression)));
}

/// The same for an attribute of pg_index. As the catalog has it: RelationGetIndexExpressions() and its like evaluate
/// what is constant, users' functions too.
bool is_computation(Relation index, AttrNumber attribute)
{
	bool null;
	const Datum expression = SysCacheGetAttr(INDEXRELID, index->rd_indextuple, attribute, &null);
	return null || is_computation(TextDatumGetCString(expression));
}

bool has_harmless_indexes(Relation table)
{
	bool harmless = true;
	ListCell *cell;
	foreach (cell, RelationGetIndexList(table))
	{
		const Relation index = relation_open(lfirst_oid(cell), AccessShareLock);
		harmless =
			harmless && is_computation(index, Anum_pg_index_indexprs) && is_computation(index, Anum_pg_index_indpred);
		relation_close(index, AccessShareLock);
	}
	return harmless;
}

} // namespace

bool runs_users_code(Relation table, const Binding &binding)
{
	for (const Column *column : {&binding.id, &binding.phone, &binding.whatsapp})
		if (AttributeNumberIsValid(column->number) && !is_plain_type(column->type))
			return true;
	if (table->rd_rel->relkind != RELKIND_RELATION || table->rd_rel->relhassubclass || table->rd_rules != nullptr)
		return true;

	const TupleDesc columns = RelationGetDescr(table);
	if (!have_plain_types(columns))
		return true;

	const TriggerDesc *triggers = table->trigdesc;
	for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
		if (!is_harmless(triggers->triggers[i], binding))
			return true;

	const TupleConstr *constraints = columns->constr;
	for (int i = 0; constraints != nullptr && i < constraints->num_defval; i++)
		if (!is_computation(constraints->defval[i].adbin))
			return true;
	for (int i = 0; constraints != nullptr && i < constraints->num_check; i++)
		if (!is_computation(constraints->check[i].ccbin))
			return true;
	return !has_harmless_indexes(table);
}

} // namespace contact_sync
