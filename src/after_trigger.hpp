/// What the AFTER functions have in common: the way from a trigger event to a rule at work under the guard.
#pragma once

#include "contact_table.hpp"
#include "event.hpp"
#include "failure.hpp"
#include "groups.hpp"
#include "statement.hpp"

namespace contact_sync
{

/// The binding with what a rule looks up, and with the rule's tables locked. As ri_triggers.c says of its plans:
/// whether it still holds can be trusted under the locks alone.
template <typename Rule> Binding &ready(const TriggerData &trigger)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		Binding &binding = binding_of(trigger);
		Rule &rule = binding.state<Rule>();
		if (!rule.looked_up)
		{
			rule.look_up(binding);
			rule.looked_up = true;
		}
		rule.lock();
		if (!binding.stale)
			return binding;
	}
}

/// Whether there may be something to do for a change. Raises nothing.
template <typename Rule> bool concerns(const Binding &binding, const Change &change)
{
	return !field(binding.id, change.after).null && Rule::concerns(binding, change);
}

/// How long the parts of a statement wait for a lock, in milliseconds, after all of it waited in vain.
constexpr int lock_timeout_of_parts = 10;

/// How far an attempt came.
struct Progress
{
	bool has_tables; ///< the rule's tables are locked
	int64 served;	 ///< changes in batches that were carried out
};

/// Serves the next `limit` changes that concern the rule. `are_new`: their customers have no contact data yet, as far
/// as anybody can tell. To be called under the guard; raises what the rule's statements raise.
template <typename Rule>
void serve(Attempt &attempt, const TriggerData &trigger, const Work &work, Changes &changes, int64 limit, bool are_new,
		   Failures &failures, Progress &progress)
{
	fault("serve");
	Binding &binding = ready<Rule>(trigger);
	progress.has_tables = true;
	Rule &rule = binding.state<Rule>();
	if (!rule.target.is_usable())
	{
		skip(work, rule.target.sqlstate, rule.target.problem);
		return;
	}
	if (rule.target.untrusted != nullptr)
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg_internal("%s", rule.target.untrusted));
	if (rule.runs_users_code())
		attempt.admit_users_code(binding.search_path);

	const MemoryContext memory =
		AllocSetContextCreate(CurrentMemoryContext, "contact_sync batch", ALLOCSET_DEFAULT_SIZES);
	const MemoryContext caller = MemoryContextSwitchTo(memory);
	Change change;
	bool more = true;
	while (more && progress.served < limit)
	{
		typename Rule::Tasks tasks(binding);
		int size = 0;
		while (size < Min(limit - progress.served, Batch::limit(binding, are_new)) && (more = changes.next(change)))
			if (concerns<Rule>(binding, change))
			{
				rule.plan(binding, trigger, work, change, tasks, failures);
				size++;
			}
		rule.carry_out(binding, tasks, are_new);
		fault("served");
		progress.served += size;
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(caller);
}

/// How many of the next `limit` changes concern the rule: all, where there are so many. Leaves the place where it is.
template <typename Rule> int64 count(const Binding &binding, Changes &changes, int64 limit)
{
	int64 found = 0;
	Change change;
	changes.mark();
	while (found < limit && changes.next(change))
		found += concerns<Rule>(binding, change);
	changes.back();
	return found;
}

/// Serves a trigger event with a rule: a struct, kept with the binding and zeroed at first, that has
///
///   name, timing, state_after_failure    its function's name, when that fires, the DETAIL when it fails
///   concerns(binding, change)            whether there may be anything to do; cheap, and raises nothing
///   looked_up, look_up(binding), lock()  finds its tables and locks them, under the guard
///   target                               the table that it writes
///   runs_users_code()                    whether code of users may run there
///   Tasks                                what is to be done for some customers
///   plan(..., change, tasks, failures)   adds to them what a change asks for
///   carry_out(binding, tasks, are_new)   does it
///
/// All of a statement is one attempt. Where that fails for what is in a row, it is made again in parts, until the rows
/// at fault stand alone.
template <typename Rule> Datum after_trigger(const TriggerData &trigger)
{
	static_assert(std::is_trivially_destructible_v<Rule>);

	Binding &binding = binding_of(trigger);
	const Work work = {Rule::name, Rule::state_after_failure, binding};
	if (!is_fit(work, trigger, Rule::timing) || !has_key(work))
		return unchanged_row(trigger);

	Changes changes(trigger, binding);
	changes.mark();
	Change change;
	do
		if (!changes.next(change))
			return unchanged_row(trigger); // as most statements do, for they change no number
	while (!concerns<Rule>(binding, change));
	changes.back();

	const Rule &known = binding.state<Rule>();
	if (known.looked_up && !known.target.is_usable())
	{
		skip(work, known.target.sqlstate, known.target.problem);
		return unchanged_row(trigger);
	}

	Failures failures(work, changes.by_row());
	int lock_timeout = 0; // the full one
	// A row that moves between partitions arrives as an INSERT where the trigger is FOR EACH ROW.
	bool are_new = TRIGGER_FIRED_BY_INSERT(trigger.tg_event) && !(changes.by_row() && binding.is_partition);
	for (Groups groups; groups.next();)
	{
		changes.mark();
		const int64 size = groups.size();
		Progress progress = {};
		const Error *error =
			attempt({binding.owner, 0, lock_timeout},
					[&trigger, &work, &changes, size, are_new, &failures, &progress](Attempt &attempt)
					{ serve<Rule>(attempt, trigger, work, changes, size, are_new, failures, progress); });
		if (error == nullptr)
		{
			failures.record();
			continue;
		}

		failures.forget();
		changes.back();
		const bool is_there_or_gone =
			error->sqlstate == ERRCODE_UNIQUE_VIOLATION || error->sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION;
		// A row that another session holds. All that the statement waits for it was waited, so the parts do not wait.
		const bool is_locked =
			error->sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || error->sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED;
		if (is_locked)
			lock_timeout = lock_timeout_of_parts;
		if (are_new && is_there_or_gone)
		{
			are_new = false;
			groups.try_again();
		}
		else if (!(may_be_one_rows_fault(error->sqlstate) || (is_locked && progress.has_tables)) ||
				 !groups.split(count<Rule>(binding, changes, size), progress.served, Batch::limit(binding, are_new)))
		{
			for (int64 left = size; left > 0 && changes.next(change);)
				if (concerns<Rule>(binding, change))
				{
					failures.add({field(binding.id, change.after), *error, work.state_after_failure});
					left--;
				}
			failures.record();
		}
	}
	failures.sum_up();
	return unchanged_row(trigger);
}

} // namespace contact_sync
