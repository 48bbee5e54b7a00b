#include "after_trigger.hpp"
#include "functions.hpp"

namespace contact_sync
{

namespace
{

struct InitializeContactPreferences
{
	static constexpr const char *name = "initialize_contact_preferences";
	static constexpr Timing timing = {false, true, false};
	static constexpr const char *state_after_failure =
		"The customer's row is saved; the customer has no contact preferences.";

	bool looked_up;
	ContactTable target;
	SPIPlanPtr insert;
	SPIPlanPtr by_key;

	static bool concerns(const Binding &, const Change &) { return true; }

	void look_up(Binding &binding)
	{
		target = contact_table(binding, "contact_preferences", RowExclusiveLock, {"customer_id"});
	}

	void lock() const { lock_table(target, RowExclusiveLock); }

	/// One row for the customer with the table's own defaults, unless there is one.
	SPIPlanPtr prepare_insert(Binding &binding) const
	{
		const char *sql =
			unique_index(target, {"customer_id"}) == Unique::immediate
				? psprintf("INSERT INTO %s (customer_id) VALUES ($1) ON CONFLICT (customer_id) DO NOTHING", target.name)
				: psprintf("INSERT INTO %s (customer_id) SELECT $1 WHERE NOT EXISTS "
						   "(SELECT FROM %s AS p WHERE p.customer_id %s $1)",
						   target.name, target.name, binding.key_equality);
		return prepare(binding, sql, 1, &binding.id.type);
	}

	void apply(Binding &binding, const TriggerData &trigger, const Work &work, const Change &change)
	{
		if (!as_it_stands(binding, trigger, change.after, by_key).exists)
			return;
		if (insert == nullptr)
			insert = prepare_insert(binding);
		execute(insert, &work.key.value, " ");
	}
};

} // namespace

Datum initialize_contact_preferences(const TriggerData &trigger, Oid function)
{
	return after_trigger<InitializeContactPreferences>(trigger, function);
}

} // namespace contact_sync
