#include "catalog/contact_table.hpp"

#include "server/compat.hpp"
#include "server/fault.hpp"
#include "trust/trust.hpp"
#include "trust/users_code.hpp"

extern "C"
{
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "storage/lmgr.h"
}

namespace contact_sync
{

namespace
{

/// The OID of the table of that name in the binding's schema, locked; InvalidOid where there is none. As
/// RangeVarGetRelidExtended() does it: while the lock was waited for, the name may have become another table's.
Oid lock_by_name(Binding &binding, const char *name, LOCKMODE lock)
{
	for (;;)
	{
		const Oid table = get_relname_relid(name, binding.schema);
		if (!OidIsValid(table))
		{
			binding.depends_on_absence = true;
			return InvalidOid;
		}
		// First, so that what changes while the lock is waited for makes the binding stale.
		depend_on(binding, table);
		LockRelationOid(table, lock);
		if (get_relname_relid(name, binding.schema) == table)
			return table;
		UnlockRelationOid(table, lock);
	}
}

/// The name of a trigger whose condition may do more than compute, or null.
const char *untrusted_condition(Relation table)
{
	const TriggerDesc *triggers = table->trigdesc;
	for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
	{
		const Trigger &trigger = triggers->triggers[i];
		if (trigger.tgenabled != TRIGGER_DISABLED && trigger.tgqual != nullptr &&
			!is_computation(static_cast<Node *>(stringToNode(trigger.tgqual)),
							have_plain_types(RelationGetDescr(table))))
			return trigger.tgname;
	}
	return nullptr;
}

/// Whether a foreign key is derived from another one: for each partition of the table that one refers to.
bool is_derived(Oid constraint)
{
	const HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	if (!HeapTupleIsValid(tuple))
		return true;
	const bool derived = OidIsValid(reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->conparentid);
	ReleaseSysCache(tuple);
	return derived;
}

/// Why a table has the contact data of others; null where it has not.
const char *problem_of_reference(Relation table, const Binding &binding)
{
	const AttrNumber customer = get_attnum(RelationGetRelid(table), "customer_id");
	const Oid customers = get_rel_type_id(binding.table);
	ListCell *cell;
	foreach (cell, RelationGetFKeyList(table))
	{
		const auto *key = lfirst_node(ForeignKeyCacheInfo, cell);
		for (int i = 0; i < key->nkeys; i++)
		{
			if (key->conkey[i] != customer || is_derived(key->conoid))
				continue;
			const char *id = get_attname(key->confrelid, key->confkey[i], false);
			const bool ours =
				key->confrelid == binding.table || typeInheritsFrom(customers, get_rel_type_id(key->confrelid));
			if (!ours || strcmp(NameStr(binding.id.name), id) != 0)
				return psprintf("foreign key \"%s\" of table \"%s\" refers to column \"%s\" of table \"%s\"",
								get_constraint_name(key->conoid), RelationGetRelationName(table), id,
								get_rel_name(key->confrelid));
		}
	}
	return nullptr;
}

} // namespace

ContactTable contact_table(Binding &binding, const char *name, LOCKMODE lock,
						   std::initializer_list<const char *> needed)
{
	const MemoryContext caller = MemoryContextSwitchTo(binding.context);
	ContactTable found = {};

	found.oid = lock_by_name(binding, name, lock);
	if (!OidIsValid(found.oid))
	{
		found.problem =
			psprintf("table \"%s\" does not exist in schema \"%s\"", name, get_namespace_name(binding.schema));
		found.sqlstate = ERRCODE_UNDEFINED_TABLE;
		MemoryContextSwitchTo(caller);
		return found;
	}

	fault("table");
	const Relation relation = relation_open(found.oid, NoLock);
	found.name = quote_qualified_identifier(get_namespace_name(binding.schema), name);
	const char relkind = relation->rd_rel->relkind;
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
	{
		found.problem = psprintf("\"%s\" is not a table", name);
		found.sqlstate = ERRCODE_WRONG_OBJECT_TYPE;
	}
	else
	{
		found.problem = problem_of_reference(relation, binding);
		// What holds of the table has to hold of its children: a statement on it writes them too.
		found.children = find_all_inheritors(found.oid, lock, nullptr);
		ListCell *cell;
		foreach (cell, found.children)
		{
			const Relation member = relation_open(lfirst_oid(cell), NoLock);
			const char *trigger = untrusted_condition(member);
			if (member->rd_rel->relowner != binding.owner)
				found.problem = psprintf("table \"%s\" does not belong to the owner of the customers",
										 RelationGetRelationName(member));
			if (trigger != nullptr)
				found.untrusted = psprintf("the condition of trigger \"%s\" of table \"%s\" could run code with the "
										   "rights of the table's owner",
										   trigger, RelationGetRelationName(member));
			relation_close(member, NoLock);
		}
		found.sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE;
		found.children = list_delete_first(found.children);
		found.has_rules = relation->rd_rules != nullptr;
		// What this reads of the catalog is not to stay with the binding.
		MemoryContextSwitchTo(caller);
		found.runs_users_code = contact_sync::runs_users_code(relation, binding);
		MemoryContextSwitchTo(binding.context);
		binding.depends_on_absence |= relation->rd_rel->relhassubclass;
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
	foreach (cell, table.children)
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
						  heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr);
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
