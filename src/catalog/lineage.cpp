#include "catalog/lineage.hpp"

#include <algorithm>
#include <iterator>

#include "server/identity.hpp"

extern "C"
{
#include "access/genam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "utils/fmgroids.h"
}

namespace contact_sync
{

namespace
{

/// Calls `body` with each tuple of a catalog that has `key` in the index's first column.
template <typename Body> void scan(Oid catalog, Oid index, AttrNumber column, Oid key, const Body &body)
{
	ScanKeyData scan_key;
	ScanKeyInit(&scan_key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(key));
	const Relation relation = table_open(catalog, AccessShareLock);
	const SysScanDesc scan = systable_beginscan(relation, index, true, nullptr, 1, &scan_key);
	for (HeapTuple tuple; HeapTupleIsValid(tuple = systable_getnext(scan));)
		body(tuple, RelationGetDescr(relation));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

List *parents_of(Oid table)
{
	List *parents = NIL;
	scan(InheritsRelationId, InheritsRelidSeqnoIndexId, Anum_pg_inherits_inhrelid, table,
		 [&parents](HeapTuple tuple, TupleDesc)
		 { parents = lappend_oid(parents, reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhparent); });
	return parents;
}

/// Whether a parent has of these columns what its child has.
bool has_same_columns(Oid parent, Oid child, const ColumnNames &columns)
{
	return std::all_of(
		std::begin(columns.names), std::end(columns.names),
		[parent, child](const char *name)
		{ return get_atttype(parent, get_attnum(parent, name)) == get_atttype(child, get_attnum(child, name)); });
}

/// What a trigger of the table does: its type (tgtype), and whether it is enabled, unconditional and immediate.
/// Calls `body` with that of each one that has this function and these columns.
template <typename Body> void each_trigger(Oid table, Oid function, const ColumnNames &columns, const Body &body)
{
	scan(TriggerRelationId, TriggerRelidNameIndexId, Anum_pg_trigger_tgrelid, table,
		 [function, &columns, &body](HeapTuple tuple, TupleDesc descriptor)
		 {
			 const auto *form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
			 if (form->tgfoid != function)
				 return;

			 // name\0name\0
			 bool null;
			 const char *next =
				 VARDATA_ANY(DatumGetByteaPP(fastgetattr(tuple, Anum_pg_trigger_tgargs, descriptor, &null)));
			 const char *arguments[max_arguments];
			 const int count = Min(form->tgnargs, max_arguments);
			 for (int i = 0; i < count; i++, next += strlen(next) + 1)
				 arguments[i] = next;
			 const ColumnNames its = column_names(count, arguments);
			 for (int i = 0; i < max_arguments; i++)
				 if (strcmp(its.names[i], columns.names[i]) != 0)
					 return;

			 const bool fires =
				 (form->tgenabled == TRIGGER_FIRES_ON_ORIGIN || form->tgenabled == TRIGGER_FIRES_ALWAYS) &&
				 form->tgattr.dim1 == 0 && heap_attisnull(tuple, Anum_pg_trigger_tgqual, descriptor);
			 body(form->tgtype, fires);
		 });
}

} // namespace

ColumnNames column_names(int count, const char *const *arguments)
{
	ColumnNames columns;
	for (int i = 0; i < max_arguments; i++)
		columns.names[i] = i < count && *arguments[i] != '\0' ? arguments[i] : default_columns[i];
	return columns;
}

Lineage lineage_of(Relation table, const ColumnNames &columns)
{
	const Oid self = RelationGetRelid(table);
	if (table->rd_rel->relispartition)
	{
		const List *ancestors = get_partition_ancestors(self);
		return {list_concat(list_make1_oid(self), ancestors), ancestors != NIL};
	}

	Lineage lineage = {list_make1_oid(self), true};
	for (;;)
	{
		const Oid highest = llast_oid(lineage.tables);
		const List *parents = parents_of(highest);
		if (parents == NIL)
			return lineage;
		const Oid parent = linitial_oid(parents);
		if (list_length(parents) > 1 || get_rel_namespace(parent) != get_rel_namespace(highest) ||
			owner_of(parent) != owner_of(highest) || !has_same_columns(parent, highest, columns))
		{
			lineage.is_whole = false;
			return lineage;
		}
		lineage.tables = lappend_oid(lineage.tables, parent);
	}
}

Followed followed_by_statement_triggers(const Lineage &lineage, Oid function, const ColumnNames &columns)
{
	if (!lineage.is_whole)
		return {false, false};

	Followed followed = {true, true};
	ListCell *cell;
	foreach (cell, lineage.tables)
	{
		int events = 0;
		each_trigger(lfirst_oid(cell), function, columns,
					 [&events](int type, bool fires)
					 {
						 if (fires && TRIGGER_FOR_AFTER(type) && !TRIGGER_FOR_ROW(type))
							 events |= type;
					 });
		followed.insert &= TRIGGER_FOR_INSERT(events) != 0;
		followed.update &= TRIGGER_FOR_UPDATE(events) != 0;
	}
	// A row that an UPDATE moves to another partition is inserted there.
	if (list_length(lineage.tables) > 1)
		followed.insert &= followed.update;
	return followed;
}

bool has_row_trigger(Oid table, Oid function, const ColumnNames &columns)
{
	bool found = false;
	each_trigger(table, function, columns,
				 [&found](int type, bool) { found |= TRIGGER_FOR_AFTER(type) && TRIGGER_FOR_ROW(type); });
	return found;
}

} // namespace contact_sync
