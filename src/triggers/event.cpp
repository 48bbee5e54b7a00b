#include "triggers/event.hpp"

namespace contact_sync
{

Change change_of(const TriggerData &trigger)
{
	if (TRIGGER_FIRED_BY_UPDATE(trigger.tg_event))
		return {trigger.tg_trigslot, trigger.tg_newslot};
	return {nullptr, trigger.tg_trigslot};
}

const char *wrong_timing(const TriggerData &trigger, const Timing &timing)
{
	const TriggerEvent event = trigger.tg_event;
	const bool for_statement = TRIGGER_FIRED_FOR_STATEMENT(event);

	if (timing.before && for_statement)
		return "it is not a FOR EACH ROW trigger";
	if (timing.before && !TRIGGER_FIRED_BEFORE(event))
		return "it is not a BEFORE trigger";
	if (!timing.before && !TRIGGER_FIRED_AFTER(event))
		return "it is not an AFTER trigger";
	if (!(timing.insert && TRIGGER_FIRED_BY_INSERT(event)) &&
		!((timing.update || for_statement) && TRIGGER_FIRED_BY_UPDATE(event)))
		return "it is a trigger for another event";
	return nullptr;
}

const TriggerData &trigger_event(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("function \"%s\" was not called by trigger manager", get_func_name(fcinfo->flinfo->fn_oid)),
				errhint("Use it in CREATE TRIGGER, or let contact_sync.attach() create the triggers."));
	return *reinterpret_cast<TriggerData *>(fcinfo->context);
}

Datum unchanged_row(const TriggerData &trigger)
{
	// Only BEFORE ROW and INSTEAD OF triggers say anything by what they return.
	if (!TRIGGER_FIRED_FOR_ROW(trigger.tg_event) || TRIGGER_FIRED_AFTER(trigger.tg_event))
		return PointerGetDatum(nullptr);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger.tg_event) ? trigger.tg_newtuple : trigger.tg_trigtuple);
}

} // namespace contact_sync
