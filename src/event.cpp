#include "event.hpp"

namespace contact_sync
{

static_assert(std::is_trivially_destructible_v<Changes>);

Changes::Changes(const TriggerData &trigger)
{
	if (TRIGGER_FIRED_BY_UPDATE(trigger.tg_event))
		row_ = {trigger.tg_trigslot, trigger.tg_newslot};
	else
		row_ = {nullptr, trigger.tg_trigslot};
}

bool Changes::next(Change &change)
{
	if (done_)
		return false;
	change = row_;
	done_ = true;
	return true;
}

const char *wrong_timing(const TriggerData &trigger, const Timing &timing)
{
	const TriggerEvent event = trigger.tg_event;

	if (!TRIGGER_FIRED_FOR_ROW(event))
		return "it is not a FOR EACH ROW trigger";
	if (timing.before && !TRIGGER_FIRED_BEFORE(event))
		return "it is not a BEFORE trigger";
	if (!timing.before && !TRIGGER_FIRED_AFTER(event))
		return "it is not an AFTER trigger";
	if (!(timing.insert && TRIGGER_FIRED_BY_INSERT(event)) && !(timing.update && TRIGGER_FIRED_BY_UPDATE(event)))
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
