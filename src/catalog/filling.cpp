#include "catalog/filling.hpp"

#include "server/compat.hpp"
#include "server/fault.hpp"

extern "C"
{
#include "access/detoast.h"
#include "access/heaptoast.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/partcache.h"
}

namespace contact_sync
{

namespace
{

/// An index row has room for a third of a page, which a column may have to share.
constexpr Size max_bytes_indexed = 512;
constexpr Size max_bytes_of_index_row = BLCKSZ / 4;

Bitmapset *add_column(Bitmapset *columns, AttrNumber number)
{
	return bms_add_member(columns, number - FirstLowInvalidHeapAttributeNumber);
}

Bitmapset *add_columns_in(Bitmapset *columns, List *expressions)
{
	pull_varattnos(reinterpret_cast<Node *>(expressions), 1, &columns);
	return columns;
}

/// Whether an expression reads one of the columns, or the whole row.
bool reads(Node *expression, const Bitmapset *columns)
{
	const Bitmapset *found = add_columns_in(nullptr, list_make1(expression));
	return bms_overlap(found, columns) || bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, found);
}

List *those_reading(List *expressions, const Bitmapset *columns)
{
	List *found = NIL;
	ListCell *cell;
	foreach (cell, expressions)
		if (reads(static_cast<Node *>(lfirst(cell)), columns))
			found = lappend(found, lfirst(cell));
	return found;
}

/// The column and those that are generated from it.
Bitmapset *affected_columns(Relation table, const Column &target)
{
	const TupleDesc columns = RelationGetDescr(table);
	Bitmapset *affected = add_column(nullptr, target.number);
	const Bitmapset *self = bms_copy(affected);

	for (int i = 0; i < columns->natts; i++)
	{
		const Form_pg_attribute attribute = TupleDescAttr(columns, i);
		if (attribute->attgenerated != '\0' && !attribute->attisdropped &&
			reads(build_column_default(table, attribute->attnum), self))
			affected = add_column(affected, attribute->attnum);
	}
	return affected;
}

/// The table's CHECK constraints, and what makes a row belong to a partition: a row that left it in a BEFORE trigger
/// would be an error.
List *row_conditions(Relation table)
{
	List *conditions = NIL;
	const TupleConstr *declared = RelationGetDescr(table)->constr;
	for (int i = 0; declared != nullptr && i < declared->num_check; i++)
		if (is_enforced(declared->check[i]))
			conditions = lappend(conditions,
								 without_virtual(static_cast<Node *>(stringToNode(declared->check[i].ccbin)), table));
	return list_concat(conditions, list_copy(RelationGetPartitionQual(table)));
}

/// Whether another table's rows decide what the columns may hold.
bool is_in_foreign_key(Relation table, const Bitmapset *columns)
{
	ListCell *cell;
	foreach (cell, RelationGetFKeyList(table))
	{
		const auto *key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		for (int i = 0; i < key->nkeys; i++)
			if (bms_is_member(key->conkey[i] - FirstLowInvalidHeapAttributeNumber, columns))
				return true;
	}
	return false;
}

/// Whether an index holds values of variable length from other columns than `columns`.
bool has_others_of_variable_length(Relation index, const Bitmapset *columns)
{
	const TupleDesc parts = RelationGetDescr(index);
	for (int i = 0; i < parts->natts; i++)
		if (TupleDescAttr(parts, i)->attlen < 0 &&
			!bms_is_member(index->rd_index->indkey.values[i] - FirstLowInvalidHeapAttributeNumber, columns))
			return true;
	return false;
}

/// Takes note of an index over one of the columns.
void consider_index(Filling &filling, Relation index, const Bitmapset *columns, const Column &target)
{
	const auto *form = index->rd_index;
	List *expressions =
		list_concat(list_copy(RelationGetIndexExpressions(index)), list_copy(RelationGetIndexPredicate(index)));
	Bitmapset *keys = add_columns_in(nullptr, expressions);
	for (int i = 0; i < form->indnkeyatts; i++)
		keys = add_column(keys, form->indkey.values[i]);
	Bitmapset *all = bms_copy(keys);
	for (int i = form->indnkeyatts; i < form->indnatts; i++)
		all = add_column(all, form->indkey.values[i]);

	if (bms_overlap(all, columns))
	{
		filling.max_bytes = max_bytes_indexed;
		if (has_others_of_variable_length(index, columns))
			filling.shared_indexes = lappend(filling.shared_indexes, all);
	}
	filling.expressions = list_concat(filling.expressions, those_reading(expressions, columns));
	// Another row might hold the number already.
	if ((form->indisunique || form->indisexclusion) && bms_overlap(keys, columns))
	{
		filling.obstacle =
			psprintf("column \"%s\" is under a unique or exclusion index, so it is never filled", NameStr(target.name));
		filling.sqlstate = ERRCODE_UNIQUE_VIOLATION;
	}
}

bool is_varying(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
}

Datum evaluate(Node *expression, EState *executor, bool &null)
{
	ExprState *state = ExecPrepareExpr(reinterpret_cast<Expr *>(expression), executor);
	return ExecEvalExprSwitchContext(state, GetPerTupleExprContext(executor), &null);
}

/// The value as the target's type has it, by the cast of an assignment.
Datum cast(const Column &target, const Column &source, Datum value, EState *executor)
{
	auto *constant = reinterpret_cast<Node *>(
		makeConst(source.type, source.typmod, source.collation, source.length, value, false, source.by_value));
	Node *expression = coerce_to_target_type(nullptr, constant, source.type, target.type, target.typmod,
											 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (expression == nullptr)
		ereport(
			ERROR, errcode(ERRCODE_CANNOT_COERCE),
			errmsg("column \"%s\" cannot take a value of type %s", NameStr(target.name), format_type_be(source.type)));

	bool null;
	return evaluate(expression, executor, null);
}

HeapTuple with_value(Relation table, HeapTuple row, AttrNumber column, Datum value, bool null)
{
	int number = column;
	return heap_modify_tuple_by_cols(row, RelationGetDescr(table), 1, &number, &value, &null);
}

void expose(EState *executor, TupleTableSlot *slot, HeapTuple row, Relation table)
{
	ExecStoreHeapTuple(row, slot, false);
	slot->tts_tableOid = RelationGetRelid(table);
	GetPerTupleExprContext(executor)->ecxt_scantuple = slot;
}

[[noreturn]] void raise_too_long_for_index(const Column &target)
{
	ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			errmsg("the other number is too long for an index on column \"%s\"", NameStr(target.name)));
	pg_unreachable();
}

/// How many bytes the values of some columns take, at the most.
Size bytes_in(TupleTableSlot *row, const Bitmapset *columns)
{
	Size bytes = 0;
	for (int column = -1; (column = bms_next_member(columns, column)) >= 0;)
	{
		const int number = column + FirstLowInvalidHeapAttributeNumber;
		if (number <= 0)
			continue;
		bool null;
		const Datum value = slot_getattr(row, number, &null);
		const Form_pg_attribute attribute = TupleDescAttr(row->tts_tupleDescriptor, number - 1);
		if (!null)
			bytes += attribute->attlen == -1 ? toast_raw_datum_size(value) : Max(attribute->attlen, 64);
	}
	return bytes;
}

/// Raises what the filled row would fail with. Generated columns come first, as for the row itself.
void check(const Filling &filling, const Column &target, Relation table, HeapTuple row, EState *executor)
{
	const TupleDesc columns = RelationGetDescr(table);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(columns, &TTSOpsHeapTuple);

	expose(executor, slot, row, table);
	HeapTuple complete = row;
	for (int i = 0; i < columns->natts; i++)
	{
		const Form_pg_attribute attribute = TupleDescAttr(columns, i);
		if (attribute->attgenerated == '\0' || attribute->attisdropped)
			continue;
		bool null;
		const Datum value = evaluate(build_column_default(table, attribute->attnum), executor, null);
		if (null && attribute->attnotnull)
			ereport(ERROR, errcode(ERRCODE_NOT_NULL_VIOLATION),
					errmsg("the other number in column \"%s\" would make column \"%s\" null", NameStr(target.name),
						   NameStr(attribute->attname)));
		complete = with_value(table, complete, attribute->attnum, value, null);
	}
	expose(executor, slot, complete, table);

	if (!can_be_stored(table, complete))
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg_internal("%s", too_long_to_be_stored(target)));
	if (!ExecCheck(ExecPrepareCheck(filling.conditions, executor), GetPerTupleExprContext(executor)))
		ereport(
			ERROR, errcode(ERRCODE_CHECK_VIOLATION),
			errmsg("the other number in column \"%s\" would violate a constraint of the table", NameStr(target.name)));

	ListCell *cell;
	foreach (cell, filling.expressions)
	{
		bool null;
		auto *expression = static_cast<Node *>(lfirst(cell));
		const Datum value = evaluate(expression, executor, null);
		if (!null && get_typlen(exprType(expression)) == -1 && toast_raw_datum_size(value) > max_bytes_indexed)
			raise_too_long_for_index(target);
	}
	foreach (cell, filling.shared_indexes)
		if (bytes_in(slot, static_cast<const Bitmapset *>(lfirst(cell))) > max_bytes_of_index_row)
			raise_too_long_for_index(target);
	ExecDropSingleTupleTableSlot(slot);
}

} // namespace

Filling look_up_filling(Relation table, const Column &target, const Column &source)
{
	const Bitmapset *affected = affected_columns(table, target);
	Filling filling = {};

	filling.is_copy = (target.type == source.type && target.typmod == source.typmod) ||
					  (is_varying(target.type) && is_varying(source.type));
	filling.max_characters = is_varying(target.type) ? max_characters(target.type, target.typmod) : -1;
	filling.max_bytes = -1;
	filling.conditions = those_reading(row_conditions(table), affected);
	const TupleConstr *constraints = RelationGetDescr(table)->constr;
	filling.has_generated = constraints != nullptr && constraints->has_generated_stored;

	if (is_in_foreign_key(table, affected))
	{
		filling.obstacle =
			psprintf("column \"%s\" is under a foreign key, so it is never filled", NameStr(target.name));
		filling.sqlstate = ERRCODE_FOREIGN_KEY_VIOLATION;
	}
	ListCell *cell;
	foreach (cell, RelationGetIndexList(table))
	{
		const Relation index = relation_open(lfirst_oid(cell), AccessShareLock);
		consider_index(filling, index, affected, target);
		relation_close(index, AccessShareLock);
	}
	return filling;
}

const char *misfit(const Filling &filling, const Column &target, Datum value)
{
	if (!filling.is_copy || (filling.max_characters < 0 && filling.max_bytes < 0) || target.length != -1)
		return nullptr;

	const text *number = DatumGetTextPP(value);
	const auto bytes = static_cast<int>(VARSIZE_ANY_EXHDR(number));
	if (filling.max_characters >= 0 && pg_mbstrlen_with_len(VARDATA_ANY(number), bytes) > filling.max_characters)
		return psprintf("the other number is too long for column \"%s\": it has room for %d characters",
						NameStr(target.name), filling.max_characters);
	if (filling.max_bytes >= 0 && bytes > filling.max_bytes)
		return psprintf("the other number is too long for an index on column \"%s\"", NameStr(target.name));
	return nullptr;
}

const char *too_long_to_be_stored(const Column &target)
{
	return psprintf("the other number in column \"%s\" would make the row too long to be stored", NameStr(target.name));
}

bool can_be_stored(Relation table, HeapTuple row)
{
	if (row->t_len <= MaxHeapTupleSize)
		return true;
	if (!OidIsValid(table->rd_rel->reltoastrelid))
		return false;

	const TupleDesc columns = RelationGetDescr(table);
	Size shortest = row->t_data->t_hoff;
	for (int i = 0; i < columns->natts; i++)
	{
		const Form_pg_attribute attribute = TupleDescAttr(columns, i);
		bool null;
		const Datum value = heap_getattr(row, i + 1, columns, &null);
		if (null)
			continue;
		shortest = att_align_nominal(shortest, attribute->attalign);
		if (attribute->attlen == -1 && attribute->attstorage != TYPSTORAGE_PLAIN)
			shortest += Min(VARSIZE_ANY(DatumGetPointer(value)), MAXALIGN(TOAST_POINTER_SIZE));
		else
			shortest = att_addlength_datum(shortest, attribute->attlen, value);
	}
	return shortest <= MaxHeapTupleSize;
}

HeapTuple fill(const Filling &filling, Relation table, HeapTuple row, const Column &target, const Column &source,
			   Datum value)
{
	if (filling.is_riskless())
		return with_value(table, row, target.number, value, false);

	EState *executor = CreateExecutorState();
	fault("fill");
	const Datum fitting = filling.is_copy ? value : cast(target, source, value, executor);
	HeapTuple filled = with_value(table, row, target.number, fitting, false);
	check(filling, target, table, filled, executor);
	fault("filled");
	FreeExecutorState(executor);
	return filled;
}

} // namespace contact_sync
