#include "event.hpp"

namespace contact_sync
{

static_assert(std::is_trivially_destructible_v<Changes>);

void Changes::Table::open(Tuplestorestate *table, TupleDesc columns)
{
	rows = table;
	slot = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
	place = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
	marked = -1;
	left = tuplestore_tuple_count(rows);
	tuplestore_select_read_pointer(rows, place);
	tuplestore_rescan(rows);
}

bool Changes::Table::read()
{
	// A tuple from a temporary file is freed with the slot's next one: it must not go before, with a caller's context.
	const MemoryContext caller = MemoryContextSwitchTo(slot->tts_mcxt);
	tuplestore_select_read_pointer(rows, place);
	const bool found = tuplestore_gettupleslot(rows, true, false, slot);
	MemoryContextSwitchTo(caller);
	left--;
	return found;
}

void Changes::Table::mark()
{
	if (marked < 0)
		marked = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
	tuplestore_copy_read_pointer(rows, place, marked);
	left_at_mark = left;
}

void Changes::Table::back()
{
	tuplestore_copy_read_pointer(rows, marked, place);
	left = left_at_mark;
}

Changes::Changes(const TriggerData &trigger, const Binding &binding) : key_(binding.id)
{
	if (TRIGGER_FIRED_FOR_STATEMENT(trigger.tg_event))
	{
		after_.open(trigger.tg_newtable, binding.columns);
		if (TRIGGER_FIRED_BY_UPDATE(trigger.tg_event))
			before_.open(trigger.tg_oldtable, binding.columns);
	}
	else if (TRIGGER_FIRED_BY_UPDATE(trigger.tg_event))
		row_ = {trigger.tg_trigslot, trigger.tg_newslot};
	else
		row_ = {nullptr, trigger.tg_trigslot};
}

bool Changes::next(Change &change)
{
	if (by_row())
	{
		change = row_;
		return !std::exchange(done_, true);
	}

	CHECK_FOR_INTERRUPTS();
	if (!after_.read())
		return false;
	change = {before_.slot, after_.slot};
	if (before_.rows == nullptr)
		return true;
	// Position is what pairs old and new. A row that a trigger swallowed on its way to another partition has no new
	// one.
	do
	{
		if (!before_.read())
			change.before = nullptr;
	} while (before_.left > after_.left && !same_bits(key_, field(key_, change.before), field(key_, change.after)));
	return true;
}

void Changes::mark()
{
	if (by_row())
		return;
	after_.mark();
	if (before_.rows != nullptr)
		before_.mark();
}

void Changes::back()
{
	done_ = false;
	if (by_row())
		return;
	after_.back();
	if (before_.rows != nullptr)
		before_.back();
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
	if (!(timing.insert && TRIGGER_FIRED_BY_INSERT(event)) && !(timing.update && TRIGGER_FIRED_BY_UPDATE(event)))
		return "it is a trigger for another event";
	if (for_statement && trigger.tg_newtable == nullptr)
		return "it is a FOR EACH STATEMENT trigger without REFERENCING NEW TABLE";
	if (for_statement && TRIGGER_FIRED_BY_UPDATE(event) && trigger.tg_oldtable == nullptr)
		return "it is a FOR EACH STATEMENT trigger without REFERENCING OLD TABLE";
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
