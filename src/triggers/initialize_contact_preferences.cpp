#include "triggers/after_trigger.hpp"
#include "triggers/functions.hpp"

namespace contact_sync
{

namespace
{

struct InitializeContactPreferences
{
	static constexpr const char *name = "initialize_contact_preferences";
	static constexpr Timing timing = {false, true, false};
	static const Purpose purpose;
	static constexpr const char *state_after_failure =
		"The customer's row is saved; the customer has no contact preferences.";

	bool looked_up;
	ContactTable target;
	Unique unique;			   ///< of its index on customer
	bool references_customers; ///< by a foreign key: it keeps out who is not there any more
	Statement insert_new;
	Statement insert_missing;

	using Tasks = Batch;

	static bool concerns(const Binding &, const Change &) { return true; }

	static Note note(const Binding &binding, const Change &change)
	{
		return note_of(binding, field(binding.id, change.after).value, true, unchanged, unchanged);
	}

	void look_up(Binding &binding)
	{
		target = contact_table(binding, "contact_preferences", RowExclusiveLock, {"customer_id"});
		if (!target.is_usable())
			return;
		unique = unique_index(target, {"customer_id"});
		references_customers = references(target, "customer_id", binding);
	}

	void lock() const { lock_table(target, RowExclusiveLock); }

	bool runs_users_code() const { return target.runs_users_code; }

	/// Whether ON CONFLICT may be used: PostgreSQL refuses it where rules rewrite an INSERT.
	bool has_arbiter() const { return unique == Unique::immediate && !target.has_rules; }

	static void plan(const Binding &, const Work &, const Note &note, Tasks &customers, Failures &)
	{
		customers.add(note.key, true, true);
	}

	/// One row for each customer with the table's own defaults, unless there is one.
	void carry_out(Binding &binding, const Tasks &customers, bool are_new)
	{
		const auto new_sql = [this](bool many)
		{ return psprintf("INSERT INTO %s (customer_id) SELECT k.id FROM %s", target.name, from_batch(many, true)); };
		const auto missing_sql = [this, &binding](bool many)
		{
			return psprintf("INSERT INTO %s (customer_id) SELECT k.id FROM %s %s", target.name,
							from_customers(binding, many, false),
							has_arbiter()
								? "ON CONFLICT (customer_id) DO NOTHING"
								: psprintf("WHERE NOT EXISTS (SELECT 1 FROM %s AS p WHERE p.customer_id %s k.id)",
										   target.name, binding.key_equality));
		};

		const List *relations = list_make2_oid(binding.topmost, target.oid);
		if (are_new && unique == Unique::immediate && references_customers)
			execute(binding, insert_new, customers, relations, new_sql);
		else
			execute(binding, insert_missing, customers, relations, missing_sql);
	}
};

const Purpose InitializeContactPreferences::purpose = {1, act_on<InitializeContactPreferences>};

} // namespace

Datum initialize_contact_preferences(const TriggerData &trigger)
{
	return after_trigger<InitializeContactPreferences>(trigger);
}

} // namespace contact_sync
