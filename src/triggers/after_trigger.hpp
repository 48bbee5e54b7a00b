/// What the AFTER functions have in common: row triggers note, statement triggers act, under the guard.
#pragma once

#include <algorithm>

#include "catalog/contact_table.hpp"
#include "triggers/event.hpp"
#include "write/failure.hpp"
#include "write/groups.hpp"
#include "write/notes.hpp"
#include "write/statement.hpp"

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

inline bool key_changed(const Binding &binding, const Change &change)
{
	return change.before != nullptr &&
		   !same_bits(binding.id, field(binding.id, change.before), field(binding.id, change.after));
}

/// How long the parts of a statement wait for a lock, in milliseconds, after all of it waited in vain.
constexpr int lock_timeout_of_parts = 10;

/// How far an attempt came.
struct Progress
{
	bool has_tables; ///< the rule's tables are locked
	int64 served;	 ///< notes in batches that were carried out
	int64 current;	 ///< notes in the batch that is being carried out
};

/// Carries out what `size` notes ask for; the customers of the first `new_size` have no contact data yet, as far as
/// anybody can tell. To be called under the guard; raises what the rule's statements raise.
template <typename Rule>
void serve(Attempt &attempt, const TriggerData &trigger, const Work &work, const Note *notes, int64 size,
		   int64 new_size, Failures &failures, Progress &progress)
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
	while (progress.served < size)
	{
		CHECK_FOR_INTERRUPTS();
		const bool are_new = progress.served < new_size;
		const int64 left = (are_new ? new_size : size) - progress.served;
		progress.current = Min(left, Batch::limit(binding, are_new));
		typename Rule::Tasks tasks(binding);
		for (int64 i = 0; i < progress.current; i++)
			rule.plan(binding, work, notes[progress.served + i], tasks, failures);
		rule.carry_out(binding, tasks, are_new);
		fault("served");
		progress.served += std::exchange(progress.current, 0);
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(caller);
}

/// Whether a row that came by an INSERT is a new customer's: one that moves to another partition comes by one, too.
inline bool inserts_are_new(const TriggerData &trigger, const Binding &binding)
{
	if (TRIGGER_FIRED_FOR_STATEMENT(trigger.tg_event) && TRIGGER_FIRED_BY_INSERT(trigger.tg_event))
		return true;
	return !binding.is_partition && !binding.is_partitioned;
}

/// Acts on `size` notes, of which the first `new_size` are of new customers. All of them are one attempt. Where that
/// fails for what is in a row, it is made again in parts, until the rows at fault stand alone.
template <typename Rule>
void act(const TriggerData &trigger, const Work &work, const Note *notes, int64 size, int64 new_size)
{
	const Binding &binding = work.binding;
	const Rule &known = binding_of(trigger).template state<Rule>();
	if (known.looked_up && !known.target.is_usable())
	{
		skip(work, known.target.sqlstate, known.target.problem);
		return;
	}

	Failures failures(work, TRIGGER_FIRED_FOR_ROW(trigger.tg_event));
	int lock_timeout = 0; // the full one
	for (Groups groups(size); groups.next();)
	{
		const int64 group_size = groups.size();
		const int64 group_new = std::clamp<int64>(new_size, 0, group_size);
		Progress progress = {};
		const Error *error =
			attempt({binding.owner, 0, lock_timeout},
					[&trigger, &work, notes, group_size, group_new, &failures, &progress](Attempt &attempt)
					{ serve<Rule>(attempt, trigger, work, notes, group_size, group_new, failures, progress); });
		if (error != nullptr)
		{
			failures.forget();
			const bool is_there_or_gone =
				error->sqlstate == ERRCODE_UNIQUE_VIOLATION || error->sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION;
			// A row that another session holds. All that the statement waits for it was waited, so parts do not wait.
			const bool is_locked =
				error->sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || error->sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED;
			if (is_locked)
				lock_timeout = lock_timeout_of_parts;
			if (group_new > 0 && is_there_or_gone)
			{
				new_size = 0;
				groups.try_again();
				continue;
			}
			if ((may_be_one_rows_fault(error->sqlstate) || (is_locked && progress.has_tables)) &&
				groups.split(progress.served, progress.current))
				continue;
			for (int64 i = 0; i < group_size; i++)
				failures.add({{notes[i].key, false}, *error, work.state_after_failure});
		}
		failures.record();
		notes += group_size;
		new_size -= group_size;
	}
	failures.sum_up();
}

/// Acts on notes as the trigger that made the first of them, at the event of another one.
inline void act_in_place(const TriggerData &trigger, const Notes &notes)
{
	const Relation table = relation_open(notes.binding().table, NoLock);
	// A copy, as the executor has one: the relation cache may drop its own at any time.
	const TriggerDesc *triggers = CopyTriggerDesc(table->trigdesc);
	for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++)
		if (triggers->triggers[i].tgoid == notes.binding().trigger)
		{
			TriggerData event = trigger;
			event.tg_relation = table;
			event.tg_trigger = &triggers->triggers[i];
			notes.purpose().act(event, notes);
			break;
		}
	relation_close(table, NoLock);
}

/// Acts on what the statement has noted for this rule, and before on what it has noted for those that this one builds
/// on.
template <typename Rule> void act_on_notes(const TriggerData &trigger, const Binding &binding)
{
	for (Notes *notes; (notes = Notes::first_of(binding)) != nullptr && notes->purpose().order <= Rule::purpose.order;)
	{
		notes->take();
		if (&notes->purpose() == &Rule::purpose)
			Rule::purpose.act(trigger, *notes);
		else
			act_in_place(trigger, *notes);
		notes->free();
	}
}

/// Whether a statement trigger is sure to follow this event, and so acts on what is noted of it.
inline bool is_followed(const TriggerData &trigger, const Binding &binding)
{
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA || trigger.tg_trigger->tgdeferrable)
		return false;
	return TRIGGER_FIRED_BY_INSERT(trigger.tg_event) ? binding.followed.insert : binding.followed.update;
}

/// A row trigger's part: notes the customer, or acts at once where no statement trigger will.
template <typename Rule> void note(const TriggerData &trigger, const Work &work)
{
	const Binding &binding = work.binding;
	const Change change = change_of(trigger);
	if (field(binding.id, change.after).null || !Rule::concerns(binding, change))
		return; // as most do, for they change no number

	const Note note = Rule::note(binding, change);
	if (is_followed(trigger, binding))
	{
		if (Notes::of(binding, Rule::purpose).are_many())
			act_on_notes<Rule>(trigger, binding);
		Notes::of(binding, Rule::purpose).add(note);
		return;
	}

	// A foreign key's own triggers follow a changed key with the contact rows. Rows at the new key would be in their
	// way, outside of any guard.
	if (key_changed(binding, change) && strcmp(trigger.tg_trigger->tgname, "RI_ConstraintTrigger_a") < 0)
	{
		skip(work, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
			 psprintf("trigger \"%s\" fires before those of foreign keys, so it leaves changes of the key alone",
					  trigger.tg_trigger->tgname));
		return;
	}
	act<Rule>(trigger, work, &note, 1, note.is_insert && inserts_are_new(trigger, binding) ? 1 : 0);
}

/// What Rule::purpose.act is: acts on notes, those of new customers first.
template <typename Rule> void act_on(const TriggerData &trigger, const Notes &notes)
{
	const Binding &binding = binding_of(trigger);
	const Note *begin = notes.begin();
	const Note *end = begin + notes.size();
	const auto is_insert = [](const Note &note) { return note.is_insert; };
	const int64 new_size = inserts_are_new(trigger, binding) ? std::count_if(begin, end, is_insert) : 0;
	if (new_size > 0 && new_size < notes.size())
	{
		auto *ordered = static_cast<Note *>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Note) * notes.size()));
		std::partition_copy(begin, end, ordered, ordered + new_size, is_insert);
		begin = ordered;
	}
	act<Rule>(trigger, {Rule::name, Rule::state_after_failure, binding}, begin, notes.size(), new_size);
}

/// Serves a trigger event with a rule: a struct, kept with the binding and zeroed at first, that has
///
///   name, timing, state_after_failure    its function's name, when that fires, the DETAIL when it fails
///   purpose                              act_on() of it; rules that others build on have a lower order
///   concerns(binding, change)            whether there may be anything to do; cheap, and raises nothing
///   note(binding, change)                what to keep of such a change; raises nothing
///   looked_up, look_up(binding), lock()  finds its tables and locks them, under the guard
///   target                               the table that it writes
///   runs_users_code()                    whether code of users may run there
///   Tasks                                what is to be done for some customers
///   plan(..., note, tasks, failures)     adds to them what a note asks for
///   carry_out(binding, tasks, are_new)   does it
template <typename Rule> Datum after_trigger(const TriggerData &trigger)
{
	static_assert(std::is_trivially_destructible_v<Rule>);

	const Binding &binding = binding_of(trigger);
	const Work work = {Rule::name, Rule::state_after_failure, binding};
	if (!is_fit(work, trigger, Rule::timing) || !has_key(work))
		return unchanged_row(trigger);

	if (!binding.is_of_owner)
		skip(work, ERRCODE_INSUFFICIENT_PRIVILEGE,
			 psprintf("table \"%s\" does not belong to the owner of the customers",
					  RelationGetRelationName(trigger.tg_relation)));
	else if (TRIGGER_FIRED_FOR_ROW(trigger.tg_event))
		note<Rule>(trigger, work);
	else if (binding.has_row_trigger)
		act_on_notes<Rule>(trigger, binding);
	else
		skip(work, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
			 psprintf("there is no FOR EACH ROW trigger beside trigger \"%s\"", trigger.tg_trigger->tgname));
	return unchanged_row(trigger);
}

} // namespace contact_sync
