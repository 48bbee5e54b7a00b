#include "customer.hpp"

extern "C"
{
#include "utils/snapmgr.h"
}

namespace contact_sync
{

namespace
{

/// Whether the row is still the latest version. The statement's own lock on it keeps other sessions away, so only this
/// transaction can have replaced it. After ri_triggers.c, RI_FKey_check().
bool is_latest(const TriggerData &trigger, TupleTableSlot *row)
{
	return trigger.tg_relation->rd_rel->relkind == RELKIND_RELATION && ItemPointerIsValid(&row->tts_tid) &&
		   table_tuple_satisfies_snapshot(trigger.tg_relation, row, SnapshotSelf);
}

const char *name_in_select(const Column &column)
{
	return AttributeNumberIsValid(column.number) ? quote_identifier(NameStr(column.name)) : "NULL";
}

SPIPlanPtr prepare_by_key(Binding &binding)
{
	const char *sql = psprintf("SELECT %s, %s FROM %s WHERE %s %s $1", name_in_select(binding.phone),
							   name_in_select(binding.whatsapp), binding.table_name,
							   quote_identifier(NameStr(binding.id.name)), binding.key_equality);
	return prepare(binding, sql, 1, &binding.id.type);
}

} // namespace

Customer as_it_stands(Binding &binding, const TriggerData &trigger, TupleTableSlot *row, SPIPlanPtr &by_key)
{
	const auto number_of = [](const Column &column, Field field)
	{ return AttributeNumberIsValid(column.number) ? number_in(column, field) : std::string_view(); };
	const auto field_of = [row](const Column &column) {
		return AttributeNumberIsValid(column.number) ? field(column, row) : Field{0, true};
	};

	if (is_latest(trigger, row))
		return {true, number_of(binding.phone, field_of(binding.phone)),
				number_of(binding.whatsapp, field_of(binding.whatsapp))};

	if (by_key == nullptr)
		by_key = prepare_by_key(binding);
	const Datum key = field(binding.id, row).value;
	if (execute(by_key, &key, " ") == 0)
		return {};

	const auto selected = [](int position)
	{
		Field field;
		field.value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, position, &field.null);
		return field;
	};
	return {true, number_of(binding.phone, selected(1)), number_of(binding.whatsapp, selected(2))};
}

uint64 execute(SPIPlanPtr plan, const Datum *values, const char *nulls)
{
	const int result = SPI_execute_plan(plan, const_cast<Datum *>(values), nulls, false, 0);
	if (result < 0)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("contact_sync: SPI_execute_plan returned %s", SPI_result_code_string(result)));
	return SPI_processed;
}

} // namespace contact_sync
