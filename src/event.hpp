/// A trigger event: what fired, and which rows changed.
#pragma once

#include "binding.hpp"

extern "C"
{
#include "utils/tuplestore.h"
}

namespace contact_sync
{

/// One row before and after its change. `before` is null for an INSERT.
struct Change
{
	TupleTableSlot *before;
	TupleTableSlot *after;
};

/// The rows that a trigger event changed, one after the other, whatever the trigger's level: the one row of a FOR EACH
/// ROW trigger, or the transition tables of a FOR EACH STATEMENT trigger, walked in step.
class Changes
{
  public:
	/// To be made and used in one call of the trigger function; raises what allocating raises.
	Changes(const TriggerData &trigger, const Binding &binding);

	/// Whether there is another row, and that row. The slots are good until the next call. Raises what reading a
	/// temporary file raises, and 57014.
	bool next(Change &change);

	/// Remembers the place before the row that next() gives next; back() returns to it, any number of times.
	void mark();
	void back();

	/// Whether rows come one by one, each in an event of its own.
	bool by_row() const { return after_.rows == nullptr; }

  private:
	/// A transition table, and places of our own in it: a tuplestore never frees a read pointer, so two are all we
	/// take.
	struct Table
	{
		Tuplestorestate *rows; ///< null where there is none
		TupleTableSlot *slot;
		int place;
		int marked; ///< -1 before the first mark()
		int64 left;
		int64 left_at_mark;

		void open(Tuplestorestate *table, TupleDesc columns);
		bool read();
		void mark();
		void back();
	};

	const Column &key_;
	Change row_;
	bool done_ = false;
	Table before_ = {};
	Table after_ = {};
};

/// When a trigger function is meant to fire: BEFORE for each row, AFTER at either level.
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
