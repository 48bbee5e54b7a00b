#include "triggers/functions.hpp"
#include "write/failure.hpp"

extern "C"
{
#include "catalog/pg_type.h"
#include "utils/fmgrprotos.h"
#include "utils/typcache.h"
}

namespace contact_sync
{

namespace
{

/// The transaction's time as a column has it; false where it has none, or a domain that may refuse it.
bool time_for(const Column &column, Datum &time)
{
	int32 typmod = column.typmod;
	const Oid base = getBaseTypeAndTypmod(column.type, &typmod);
	if (base != column.type && DomainHasConstraints(column.type))
		return false;

	time = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	switch (base)
	{
	case TIMESTAMPTZOID:
		time = DirectFunctionCall2(timestamptz_scale, time, Int32GetDatum(typmod));
		return true;
	case TIMESTAMPOID:
		time = DirectFunctionCall1(timestamptz_timestamp, time);
		time = DirectFunctionCall2(timestamp_scale, time, Int32GetDatum(typmod));
		return true;
	default:
		return false;
	}
}

} // namespace

Datum touch_updated_at(const TriggerData &trigger)
{
	const TupleDesc columns = RelationGetDescr(trigger.tg_relation);
	const char *name = trigger.tg_trigger->tgnargs > 0 ? trigger.tg_trigger->tgargs[0] : "updated_at";
	const char *problem = wrong_timing(trigger, {true, false, true});
	int sqlstate = ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED;
	Column touched = {};
	Datum time = 0;

	if (problem == nullptr)
	{
		touched = column(columns, name);
		if (!AttributeNumberIsValid(touched.number) || !time_for(touched, time))
		{
			problem = psprintf("the table has no column \"%s\" that takes any time", name);
			sqlstate = ERRCODE_UNDEFINED_COLUMN;
		}
	}
	if (problem != nullptr)
	{
		warn_once(sqlstate,
				  psprintf("trigger \"%s\" of table \"%s.%s\" does nothing: %s", trigger.tg_trigger->tgname,
						   get_namespace_name(RelationGetNamespace(trigger.tg_relation)),
						   RelationGetRelationName(trigger.tg_relation), problem),
				  "touch_updated_at() is for BEFORE UPDATE, FOR EACH ROW; its argument names the column.");
		return unchanged_row(trigger);
	}

	fault("touch");
	int number = touched.number;
	bool null = false;
	return PointerGetDatum(heap_modify_tuple_by_cols(trigger.tg_newtuple, columns, 1, &number, &time, &null));
}

} // namespace contact_sync
