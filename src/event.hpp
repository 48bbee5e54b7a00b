/// A trigger event: what fired, and which rows changed.
#pragma once

#include "postgres.hpp"

namespace contact_sync
{

/// One row before and after its change. `before` is null for an INSERT.
struct Change
{
	TupleTableSlot *before;
	TupleTableSlot *after;
};

/// The rows that a trigger event changed, one after the other, whatever the trigger's level.
class Changes
{
  public:
	explicit Changes(const TriggerData &trigger);

	/// Whether there is another row, and that row. The slots are the trigger manager's, good until the next call.
	bool next(Change &change);

  private:
	Change row_;
	bool done_ = false;
};

/// When a trigger function is meant to fire; always FOR EACH ROW.
struct Timing
{
	bool before;
	bool insert;
	bool update;
};

/// Why a trigger does not fire as it is meant to ("it is not a BEFORE trigger"), or null where it does.
const char *wrong_timing(const TriggerData &trigger, const Timing &timing);

/// The trigger event that a function was called for. Raises 39P01 where no trigger called it.
const TriggerData &trigger_event(FunctionCallInfo fcinfo);

/// What a trigger function returns to leave the row as it is: a BEFORE trigger that returned NULL would cancel it.
Datum unchanged_row(const TriggerData &trigger);

} // namespace contact_sync
