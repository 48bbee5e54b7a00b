#include "catalog/binding.hpp"

#include "server/fault.hpp"
#include "server/guard.hpp"
#include "server/identity.hpp"

extern "C"
{
#include "catalog/pg_operator.h"
#include "utils/inval.h"
#include "utils/typcache.h"
}

namespace contact_sync
{

namespace
{

struct Entry
{
	Oid trigger; // the hash key
	Binding *binding;
};

HTAB *cache = nullptr;
List *buried = NIL;			 // stale bindings that a trigger further up the stack may still be using
bool some_are_stale = false; // of those in the cache

template <typename Stale> void mark_stale(const Stale &is_stale)
{
	HASH_SEQ_STATUS scan;
	hash_seq_init(&scan, cache);
	while (auto *entry = static_cast<Entry *>(hash_seq_search(&scan)))
		if (is_stale(*entry->binding))
			entry->binding->stale = some_are_stale = true;
}

void on_table_change(Datum, Oid table)
{
	mark_stale([table](const Binding &binding)
			   { return !OidIsValid(table) || binding.depends_on_absence || list_member_oid(binding.tables, table); });
}

// Functions and types. A hash value of 0 means all.
void on_object_change(Datum, int cache_id, uint32 hash_value)
{
	const auto is_meant = [cache_id, hash_value](const Binding &binding)
	{
		ListCell *cell;
		foreach (cell, binding.items)
		{
			const auto *item = lfirst_node(PlanInvalItem, cell);
			if (item->cacheId == cache_id && (hash_value == 0 || item->hashValue == hash_value))
				return true;
		}
		return false;
	};
	mark_stale(is_meant);
}

// Names of schemas, operators: rare enough to start over.
void on_catalog_change(Datum, int, uint32)
{
	mark_stale([](const Binding &) { return true; });
}

void on_transaction_event(XactEvent event, void *)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		return;

	// Remove it from the list first, so that an error while freeing cannot free it twice.
	while (buried != NIL)
	{
		auto *binding = static_cast<Binding *>(llast(buried));
		buried = list_delete_last(buried);
		MemoryContextDelete(binding->context);
	}

	// A trigger that was dropped does not come back to have its binding replaced.
	if (!std::exchange(some_are_stale, false))
		return;
	HASH_SEQ_STATUS scan;
	hash_seq_init(&scan, cache);
	while (auto *entry = static_cast<Entry *>(hash_seq_search(&scan)))
	{
		Binding *binding = entry->binding;
		if (!binding->stale)
			continue;
		hash_search(cache, &entry->trigger, HASH_REMOVE, nullptr);
		MemoryContextDelete(binding->context);
	}
}

void bury(Binding *binding)
{
	const MemoryContext caller = MemoryContextSwitchTo(CacheMemoryContext);
	buried = lappend(buried, binding);
	MemoryContextSwitchTo(caller);
}

const char *qualified_name(Oid table)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table));
}

// By the name that cannot be captured, as ri_triggers.c's ri_GenerateQual() has it.
const char *equality_operator(Oid type)
{
	const Oid equality = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	const HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(equality));
	if (!HeapTupleIsValid(tuple))
		return nullptr;

	auto *form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
	const char *name =
		psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

Binding *bind(const TriggerData &trigger)
{
	const Relation relation = trigger.tg_relation;
	const MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "contact_sync binding", ALLOCSET_SMALL_SIZES);
	const MemoryContext caller = MemoryContextSwitchTo(context);

	fault("bind");
	auto *binding = static_cast<Binding *>(palloc0(sizeof(Binding)));
	const Trigger &definition = *trigger.tg_trigger;
	const ColumnNames columns = column_names(definition.tgnargs, definition.tgargs);
	const Lineage lineage = lineage_of(relation, columns);
	binding->context = context;
	binding->trigger = definition.tgoid;
	binding->function = definition.tgfoid;
	binding->table = RelationGetRelid(relation);
	binding->topmost = llast_oid(lineage.tables);
	binding->owner = owner_of(binding->topmost);
	binding->schema = get_rel_namespace(binding->topmost);
	binding->customers = qualified_name(binding->topmost);
	binding->plain_name = psprintf("%s.%s", get_namespace_name(binding->schema), get_rel_name(binding->topmost));
	binding->search_path = search_path_of(binding->schema);
	binding->number = quote_qualified_identifier(get_namespace_name(get_func_namespace(definition.tgfoid)), "number");
	binding->is_partition = relation->rd_rel->relispartition;
	binding->is_partitioned = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	binding->is_of_owner = has_privs_of_role(relation->rd_rel->relowner, binding->owner);
	binding->has_row_trigger = has_row_trigger(binding->table, definition.tgfoid, columns);
	binding->followed = followed_by_statement_triggers(lineage, definition.tgfoid, columns);
	binding->id = column(RelationGetDescr(relation), columns.names[0]);
	binding->phone = column(RelationGetDescr(relation), columns.names[1]);
	binding->whatsapp = column(RelationGetDescr(relation), columns.names[2]);
	if (AttributeNumberIsValid(binding->id.number))
		binding->key_equality = equality_operator(binding->id.type);
	binding->tables = lineage.tables;

	MemoryContextSwitchTo(caller);
	// Whole: only now it may outlive an ERROR.
	MemoryContextSetParent(context, CacheMemoryContext);
	return binding;
}

} // namespace

Binding &binding_of(const TriggerData &trigger)
{
	Oid key = trigger.tg_trigger->tgoid;
	auto *entry = static_cast<Entry *>(hash_search(cache, &key, HASH_FIND, nullptr));
	if (entry != nullptr && !entry->binding->stale)
		return *entry->binding;

	if (entry != nullptr)
	{
		bury(entry->binding);
		hash_search(cache, &key, HASH_REMOVE, nullptr);
	}
	Binding *binding = bind(trigger);
	entry = static_cast<Entry *>(hash_search(cache, &key, HASH_ENTER, nullptr));
	entry->binding = binding;
	return *binding;
}

void depend_on(Binding &binding, Oid table)
{
	const MemoryContext caller = MemoryContextSwitchTo(binding.context);
	binding.tables = list_append_unique_oid(binding.tables, table);
	MemoryContextSwitchTo(caller);
}

void depend_on(Binding &binding, const PlannedStmt &plan)
{
	const MemoryContext caller = MemoryContextSwitchTo(binding.context);
	binding.tables = list_concat_unique_oid(binding.tables, plan.relationOids);
	binding.items = list_concat(binding.items, static_cast<List *>(copyObjectImpl(plan.invalItems)));
	MemoryContextSwitchTo(caller);
}

void watch_invalidations()
{
	HASHCTL control = {};
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Entry);
	cache = hash_create("contact_sync bindings", 16, &control, HASH_ELEM | HASH_BLOBS);

	CacheRegisterRelcacheCallback(on_table_change, 0);
	// As plancache.c has it.
	for (const int catalog : {PROCOID, TYPEOID})
		CacheRegisterSyscacheCallback(catalog, on_object_change, 0);
	for (const int catalog : {NAMESPACEOID, OPEROID, AMOPOPID})
		CacheRegisterSyscacheCallback(catalog, on_catalog_change, 0);
	RegisterXactCallback(on_transaction_event, nullptr);
}

} // namespace contact_sync
