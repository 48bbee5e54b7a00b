#include "catalog/filling.hpp"
#include "triggers/event.hpp"
#include "triggers/functions.hpp"
#include "write/failure.hpp"

namespace contact_sync
{

namespace
{

constexpr const char *name = "sync_contact_numbers";
constexpr const char *state_after_failure = "The customer's row is saved as it was sent; the empty number stays empty.";

/// How each of the two is filled from the other. Kept with the binding.
struct Fillings
{
	bool looked_up;
	Filling phone;
	Filling whatsapp;

	static const Fillings &of(Binding &binding, Relation table)
	{
		auto &fillings = binding.state<Fillings>();
		if (!fillings.looked_up)
		{
			const MemoryContext caller = MemoryContextSwitchTo(binding.context);
			fillings = {true, look_up_filling(table, binding.phone, binding.whatsapp),
						look_up_filling(table, binding.whatsapp, binding.phone)};
			MemoryContextSwitchTo(caller);
		}
		return fillings;
	}
};

/// Whether the row is new or one of its numbers changed.
bool concerns(const Binding &binding, const Change &change)
{
	return change.before == nullptr || may_have_changed(binding.phone, change.before, change.after) ||
		   may_have_changed(binding.whatsapp, change.before, change.after);
}

/// Where exactly one of the two numbers is empty: the column to fill, else null. Raises only where they are not plain.
const Column *empty_one(const Binding &binding, TupleTableSlot *row)
{
	const bool no_phone = number_in(field(binding.phone, row)).empty();
	const bool no_whatsapp = number_in(field(binding.whatsapp, row)).empty();
	if (no_phone == no_whatsapp)
		return nullptr;
	return no_phone ? &binding.phone : &binding.whatsapp;
}

/// The row with the column filled, or as it is where the other's value does not fit.
HeapTuple filled(const Work &work, Field key, Binding &binding, Relation table, HeapTuple row, const Column &target,
				 Field value)
{
	const bool is_phone = &target == &binding.phone;
	const Column &source = is_phone ? binding.whatsapp : binding.phone;
	const Filling &filling = is_phone ? Fillings::of(binding, table).phone : Fillings::of(binding, table).whatsapp;

	if (filling.obstacle != nullptr)
	{
		leave(work, filling.sqlstate, filling.obstacle);
		return row;
	}
	if (filling.is_riskless() && is_plain(source, value))
	{
		Error error = {ERRCODE_STRING_DATA_RIGHT_TRUNCATION, misfit(filling, target, value.value), nullptr, nullptr};
		if (error.message == nullptr)
		{
			HeapTuple result = fill(filling, table, row, target, source, value.value);
			if (can_be_stored(table, result))
				return result;
			error = {ERRCODE_PROGRAM_LIMIT_EXCEEDED, too_long_to_be_stored(target), nullptr, nullptr};
		}
		fail(work, {key, error, state_after_failure});
		return row;
	}

	HeapTuple result = row;
	HeapTuple *there = &result;
	guarded(work, key,
			[&filling, table, row, &target, &source, value, there]
			{
				if (const char *message = misfit(filling, target, value.value))
					ereport(ERROR, errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION), errmsg_internal("%s", message));
				*there = fill(filling, table, row, target, source, value.value);
			});
	return result;
}

} // namespace

Datum sync_contact_numbers(const TriggerData &trigger)
{
	Binding &binding = binding_of(trigger);
	const Column &phone = binding.phone;
	const Column &whatsapp = binding.whatsapp;
	const Work work = {name, state_after_failure, binding};

	if (!is_fit(work, trigger, {true, true, true}))
		return unchanged_row(trigger);
	// A generated column is nobody's to fill, and not yet computed here.
	if (phone.generated || whatsapp.generated || !has_column(work, phone) || !has_column(work, whatsapp))
		return unchanged_row(trigger);

	const Change change = change_of(trigger);
	if (!concerns(binding, change))
		return unchanged_row(trigger);
	const Field key = AttributeNumberIsValid(binding.id.number) ? field(binding.id, change.after) : Field{0, true};

	const Column *target = nullptr;
	if (is_plain(phone, field(phone, change.after)) && is_plain(whatsapp, field(whatsapp, change.after)))
		target = empty_one(binding, change.after);
	else
	{
		const Column **there = &target;
		guarded(work, key, [&binding, &change, there] { *there = empty_one(binding, change.after); });
	}
	if (target == nullptr)
		return unchanged_row(trigger);

	const Column &source = target == &phone ? whatsapp : phone;
	HeapTuple row = change.before != nullptr ? trigger.tg_newtuple : trigger.tg_trigtuple;
	return PointerGetDatum(filled(work, key, binding, trigger.tg_relation, row, *target, field(source, change.after)));
}

} // namespace contact_sync
