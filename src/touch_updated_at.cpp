#include "failure.hpp"
#include "functions.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/fmgrprotos.h"
}

namespace contact_sync
{

namespace
{

/// The transaction's time as a column's type has it; false where the type has none.
bool time_as(Oid type, Datum &time)
{
	time = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	switch (getBaseType(type))
	{
	case TIMESTAMPTZOID:
		return true;
	case TIMESTAMPOID:
		time = DirectFunctionCall1(timestamptz_timestamp, time);
		return true;
	default:
		return false;
	}
}

} // namespace

Datum touch_updated_at(const TriggerData &trigger, Oid function)
{
	// The binding's columns are those of a customers table; here it serves for its names alone.
	const Work work = {"touch_updated_at", function, "", binding_of(trigger), {0, true}};

	if (const char *problem = wrong_timing(trigger, {true, false, true}))
	{
		skip(work, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, problem);
		return unchanged_row(trigger);
	}

	const TupleDesc columns = RelationGetDescr(trigger.tg_relation);
	const char *name = trigger.tg_trigger->tgnargs > 0 ? trigger.tg_trigger->tgargs[0] : "updated_at";
	const Column touched = column(columns, name);
	Datum time;
	if (!AttributeNumberIsValid(touched.number) || !time_as(touched.type, time))
	{
		skip(work, ERRCODE_UNDEFINED_COLUMN, psprintf("it has no column \"%s\" of type timestamp", name));
		return unchanged_row(trigger);
	}

	int number = touched.number;
	bool null = false;
	return PointerGetDatum(heap_modify_tuple_by_cols(trigger.tg_newtuple, columns, 1, &number, &time, &null));
}

} // namespace contact_sync
