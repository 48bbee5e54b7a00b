/// What the AFTER functions have in common: the way from a trigger event to a rule at work under the guard.
#pragma once

#include "contact_table.hpp"
#include "customer.hpp"
#include "event.hpp"
#include "failure.hpp"

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

/// Serves a trigger event with a rule: a struct, kept with the binding and zeroed at first, that has
///
///   name, timing, state_after_failure    its function's name, when that fires, the DETAIL when it fails
///   concerns(binding, change)            whether there may be anything to do; cheap, and raises nothing
///   looked_up, look_up(binding), lock()  finds its tables and locks them, under the guard
///   target                               the table that it writes
///   apply(binding, trigger, work, change)  does what there is to do, under the guard, in an SPI connection
template <typename Rule> Datum after_trigger(const TriggerData &trigger, Oid function)
{
	static_assert(std::is_trivially_destructible_v<Rule>);

	Binding &binding = binding_of(trigger);
	Work work = {Rule::name, function, Rule::state_after_failure, binding, {0, true}};
	if (!is_fit(work, trigger, Rule::timing) || !has_key(work))
		return unchanged_row(trigger);

	const Rights rights = {binding.owner, binding.search_path};
	Changes changes(trigger);
	Change change;
	while (changes.next(change))
	{
		work.key = field(binding.id, change.after);
		if (work.key.null || !Rule::concerns(binding, change))
			continue;

		const Rule &known = binding.state<Rule>();
		if (known.looked_up && !known.target.is_usable())
		{
			skip(work, known.target.sqlstate, known.target.problem);
			continue;
		}
		guarded(work, &rights,
				[&trigger, &work, &change]
				{
					SPI_connect();
					Binding &bound = ready<Rule>(trigger);
					Rule &rule = bound.state<Rule>();
					if (rule.target.is_usable())
						rule.apply(bound, trigger, work, change);
					else
						skip(work, rule.target.sqlstate, rule.target.problem);
					SPI_finish();
				});
	}
	return unchanged_row(trigger);
}

} // namespace contact_sync
