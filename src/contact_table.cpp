#include "contact_table.hpp"

#include "compat.hpp"
#include "fault.hpp"
#include "foreign_code.hpp"
#include "users_code.hpp"

extern "C"
{
#include "catalog/pg_inherits.h"
#include "storage/lmgr.h"
}

namespace contact_sync
{

namespace
{

/// What could run foreign code with a table, or null: a trigger of it, or a foreign key to it.
const char *foreign_trigger(Relation table, Oid owner, List *&referrers)
{
	const TriggerDesc *triggers = table->trigdesc;
	for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
	{
		const Trigger &trigger = triggers->triggers[i];
		if (trigger.tgenabled != TRIGGER_DISABLED && runs_foreign_code(trigger, owner, referrers))
			return trigger.tgisinternal ? psprintf("foreign key \"%s\" to", get_constraint_name(trigger.tgconstraint))
										: psprintf("trigger \"%s\" of", trigger.tgname);
	}
	return nullptr;
}

/// Why a table, or a child of it, cannot be written with the owner's rights.
const char *problem_of_rights(Relation table, Oid owner, List *&referrers)
{
	const char *name = RelationGetRelationName(table);

	if (table->rd_rel->relowner != owner)
		return psprintf("table \"%s\" does not belong to the owner of the customers", name);
	if (const char *trigger = foreign_trigger(table, owner, referrers))
		return psprintf("%s table \"%s\" could run code of a role without the rights of the table's owner", trigger,
						name);
	return nullptr;
}

} // namespace

ContactTable contact_table(Binding &binding, const char *name, LOCKMODE lock,
						   std::initializer_list<const char *> needed)
{
	const MemoryContext caller = MemoryContextSwitchTo(binding.context);
	ContactTable found = {};

	found.oid = get_relname_relid(name, binding.schema);
	const Relation relation = OidIsValid(found.oid) ? try_relation_open(found.oid, lock) : nullptr;
	if (relation == nullptr)
	{
		binding.rests_on_absence = true;
		found.problem =
			psprintf("table \"%s\" does not exist in schema \"%s\"", name, get_namespace_name(binding.schema));
		found.sqlstate = ERRCODE_UNDEFINED_TABLE;
		MemoryContextSwitchTo(caller);
		return found;
	}

	fault("table");
	rest_on(binding, found.oid);
	found.name = quote_qualified_identifier(get_namespace_name(binding.schema), name);
	const char relkind = relation->rd_rel->relkind;
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
	{
		found.problem = psprintf("\"%s\" is not a table", name);
		found.sqlstate = ERRCODE_WRONG_OBJECT_TYPE;
	}
	else
	{
		// What holds of the table has to hold of its children: a statement on it writes them too.
		List *members = find_all_inheritors(found.oid, lock, nullptr);
		List *referrers = NIL;
		ListCell *cell;
		foreach (cell, members)
		{
			const Relation member = relation_open(lfirst_oid(cell), NoLock);
			found.problem = problem_of_rights(member, binding.owner, referrers);
			found.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE;
			relation_close(member, NoLock);
			if (found.problem != nullptr)
				break;
		}
		found.others = list_concat(list_delete_first(members), referrers);
		// What this reads of the catalog is not to stay with the binding.
		MemoryContextSwitchTo(caller);
		found.runs_users_code = contact_sync::runs_users_code(relation, binding);
		MemoryContextSwitchTo(binding.context);
		binding.rests_on_absence |= relation->rd_rel->relhassubclass || found.others != NIL;
	}
	relation_close(relation, NoLock);

	for (const char *column : needed)
		if (found.is_usable() && !found.has(column))
		{
			found.problem = psprintf("column \"%s\" of table \"%s\" does not exist", column, name);
			found.sqlstate = ERRCODE_UNDEFINED_COLUMN;
		}
	MemoryContextSwitchTo(caller);
	return found;
}

void lock_table(const ContactTable &table, LOCKMODE lock)
{
	if (!table.is_usable())
		return;
	LockRelationOid(table.oid, lock);
	ListCell *cell;
	foreach (cell, table.others)
		LockRelationOid(lfirst_oid(cell), lock);
}

Unique unique_index(const ContactTable &table, std::initializer_list<const char *> columns)
{
	Bitmapset *wanted = nullptr;
	for (const char *column : columns)
		wanted = bms_add_member(wanted, get_attnum(table.oid, column));

	Unique best = Unique::none;
	const Relation relation = relation_open(table.oid, NoLock);
	ListCell *cell;
	foreach (cell, RelationGetIndexList(relation))
	{
		const Relation index = relation_open(lfirst_oid(cell), AccessShareLock);
		const auto *form = index->rd_index;
		Bitmapset *present = nullptr;
		for (int i = 0; i < form->indnkeyatts; i++)
			if (AttributeNumberIsValid(form->indkey.values[i]))
				present = bms_add_member(present, form->indkey.values[i]);
		const bool fits = form->indisunique && form->indisvalid &&
						  form->indnkeyatts == static_cast<int>(columns.size()) && bms_equal(present, wanted) &&
						  RelationGetIndexPredicate(index) == NIL;
		if (fits && best != Unique::immediate)
			best = form->indimmediate ? Unique::immediate : Unique::deferrable;
		relation_close(index, AccessShareLock);
	}
	relation_close(relation, NoLock);
	return best;
}

bool references(const ContactTable &table, const char *column, const Binding &binding)
{
	bool found = false;
	const Relation relation = relation_open(table.oid, NoLock);
	ListCell *cell;
	foreach (cell, RelationGetFKeyList(relation))
	{
		const auto *key = lfirst_node(ForeignKeyCacheInfo, cell);
		const HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(key->conoid));
		if (!HeapTupleIsValid(tuple))
			continue;
		const auto &constraint = *reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
		found |= key->nkeys == 1 && key->conkey[0] == get_attnum(table.oid, column) &&
				 list_member_oid(binding.tables, key->confrelid) &&
				 get_attnum(key->confrelid, NameStr(binding.id.name)) == key->confkey[0] && is_enforced(constraint) &&
				 !constraint.condeferrable;
		ReleaseSysCache(tuple);
	}
	relation_close(relation, NoLock);
	return found;
}

} // namespace contact_sync
