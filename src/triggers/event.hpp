/// A trigger event: what fired, and how the row changed.
#pragma once

#include "server/postgres.hpp"

namespace contact_sync
{

/// One row before and after its change. `before` is null for an INSERT.
struct Change
{
	TupleTableSlot *before;
	TupleTableSlot *after;
};

/// The change of a FOR EACH ROW trigger.
Change change_of(const TriggerData &trigger);

/// When a trigger function is meant to fire: BEFORE each row, or AFTER each row and each statement.
struct Timing
{
	bool before;
	bool insert; ///< of rows; a statement that updates may insert some into another partition
	bool update;
};

/// Why a trigger does not fire as it is meant to ("it is not a BEFORE trigger"), or null where it does.
const char *wrong_timing(const TriggerData &trigger, const Timing &timing);

/// The trigger event that a function was called for. Raises 39P01 where no trigger called it.
const TriggerData &trigger_event(FunctionCallInfo fcinfo);

/// What a trigger function returns to leave the row as it is: a BEFORE trigger that returned NULL would cancel it.
Datum unchanged_row(const TriggerData &trigger);

} // namespace contact_sync
