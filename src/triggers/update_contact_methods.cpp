#include "triggers/after_trigger.hpp"
#include "triggers/functions.hpp"
#include "write/methods_sql.hpp"

namespace contact_sync
{

namespace
{

/// Whether the number in a column has to be looked at.
bool concerns_column(const Binding &binding, const Column &column, const Change &change)
{
	if (!AttributeNumberIsValid(column.number))
		return false;
	// A row that moves between partitions arrives as an INSERT: its customer may have methods.
	if (change.before == nullptr)
		return binding.is_partition || !field(column, change.after).null;
	return key_changed(binding, change) || may_have_changed(column, change.before, change.after);
}

struct UpdateContactMethods
{
	static constexpr const char *name = "update_contact_methods";
	static constexpr Timing timing = {false, true, true};
	static const Purpose purpose;
	static constexpr const char *state_after_failure =
		"The customer's row is saved; the customer's contact methods are as they were before.";

	bool looked_up;
	ContactTable target;
	ContactTable preferences;
	Unique unique;		///< of its index on customer and method
	int max_characters; ///< of a number; -1: any
	Statement update;
	Statement insert_new;
	Statement insert_missing;
	Statement remove;

	struct Tasks
	{
		Batch to_write;
		Batch to_remove;
		uint64 rows_to_write = 0;

		explicit Tasks(const Binding &binding) : to_write(binding), to_remove(binding) {}
	};

	static bool concerns(const Binding &binding, const Change &change)
	{
		return concerns_column(binding, binding.phone, change) || concerns_column(binding, binding.whatsapp, change);
	}

	static Note note(const Binding &binding, const Change &change)
	{
		const auto length = [&binding, &change](const Column &column)
		{
			if (!concerns_column(binding, column, change))
				return unchanged;
			const Length length = length_of(column, field(column, change.after));
			// A new customer has no methods to remove.
			return length == 0 && change.before == nullptr && !binding.is_partition ? unchanged : length;
		};
		return note_of(binding, field(binding.id, change.after).value, change.before == nullptr, length(binding.phone),
					   length(binding.whatsapp));
	}

	void look_up(Binding &binding)
	{
		target =
			contact_table(binding, "contact_methods", RowExclusiveLock, {"customer_id", "method_type", "phone_number"});
		preferences =
			contact_table(binding, "contact_preferences", AccessShareLock, {"customer_id", "preferred_method"});
		if (!target.is_usable())
			return;
		// Of several rows none is the customer's.
		if (preferences.is_usable() && unique_index(preferences, {"customer_id"}) == Unique::none)
			preferences.problem = "there is no unique index on its customer";

		unique = unique_index(target, {"customer_id", "method_type"});
		Oid type;
		int32 typmod;
		Oid collation;
		get_atttypetypmodcoll(target.oid, get_attnum(target.oid, "phone_number"), &type, &typmod, &collation);
		max_characters = contact_sync::max_characters(type, typmod);
	}

	void lock() const
	{
		lock_table(target, RowExclusiveLock);
		lock_table(preferences, AccessShareLock);
	}

	bool runs_users_code() const { return target.runs_users_code || preferences.runs_users_code; }

	/// Whether a number of this length fits. One that does not is left out, and that is a failure.
	bool fits(const Column &column, const Note &note, Length length, Failures &failures) const
	{
		if (max_characters < 0 || length == unknown || length <= max_characters)
			return true;
		const char *message = psprintf("%s number is too long for column \"phone_number\" of table "
									   "\"contact_methods\": it has room for %d characters",
									   NameStr(column.name), max_characters);
		failures.add({{note.key, false},
					  {ERRCODE_STRING_DATA_RIGHT_TRUNCATION, message, nullptr, nullptr},
					  "The customer's row is saved; the methods concerned keep the number they had, if any."});
		return false;
	}

	void plan(const Binding &binding, const Work &work, const Note &note, Tasks &tasks, Failures &failures) const
	{
		// What is no column of numbers is not an empty one.
		const Length whatsapp = has_column(work, binding.whatsapp) ? note.whatsapp : unchanged;
		const Length phone = has_column(work, binding.phone) ? note.phone : unchanged;
		const auto is_to_write = [this, &note, &failures](const Column &column, Length length)
		{ return length != unchanged && length != 0 && fits(column, note, length, failures); };
		const auto is_to_remove = [](Length length) { return length == 0 || length == unknown; };
		const bool write_whatsapp = is_to_write(binding.whatsapp, whatsapp);
		const bool write_phone = is_to_write(binding.phone, phone);
		if (write_whatsapp || write_phone)
			tasks.to_write.add(note.key, write_whatsapp, write_phone);
		if (is_to_remove(whatsapp) || is_to_remove(phone))
			tasks.to_remove.add(note.key, is_to_remove(whatsapp), is_to_remove(phone));
		tasks.rows_to_write += (write_whatsapp ? methods_of(NumberColumn::whatsapp) : 0) +
							   (write_phone ? methods_of(NumberColumn::phone) : 0);
	}

	/// Inserts what is not there, where rules may rewrite that.
	void insert_by_rules(Binding &binding, const Batch &batch, const List *relations)
	{
		if (batch.size() == 0)
			return;
		const auto missing_with = [this, &binding](bool many)
		{ return missing_sql(binding, target, preferences, many); };
		const Plan &missing = plan_of(binding, insert_missing, batch.size(), relations, missing_with);
		const ParamListInfo rows = row_of(binding, missing, batch);
		if (rows->params[0].isnull)
			return;
		Oid types[] = {rows->params[0].ptype, rows->params[1].ptype, rows->params[2].ptype, rows->params[3].ptype};
		execute_plan(*plan_statement(insert_listed_sql(target), types, lengthof(types), relations), rows,
					 None_Receiver);
	}

	void carry_out(Binding &binding, const Tasks &tasks, bool are_new)
	{
		if (unique == Unique::none)
			ereport(ERROR, errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
					errmsg("there is no unique index on (customer_id, method_type) of table \"contact_methods\""));

		const auto insert_with = [this, &binding](bool as_new)
		{
			return [this, &binding, as_new](bool many)
			{ return insert_sql(binding, target, preferences, unique, as_new, many); };
		};
		const auto update_with = [this, &binding](bool many) { return update_sql(binding, target, many); };
		const auto remove_with = [this, &binding](bool many) { return delete_sql(binding, target, many); };

		List *relations = list_make2_oid(binding.topmost, target.oid);
		if (preferences.is_usable())
			relations = lappend_oid(relations, preferences.oid);
		if (are_new && unique == Unique::immediate)
			execute(binding, insert_new, tasks.to_write, relations, insert_with(true));
		else if (target.has_rules)
		{
			execute(binding, update, tasks.to_write, relations, update_with);
			insert_by_rules(binding, tasks.to_write, relations);
		}
		else if (execute(binding, update, tasks.to_write, relations, update_with) < tasks.rows_to_write)
			execute(binding, insert_missing, tasks.to_write, relations, insert_with(false));
		execute(binding, remove, tasks.to_remove, relations, remove_with);
	}
};

// A new method is preferred where the preferences say so.
const Purpose UpdateContactMethods::purpose = {2, act_on<UpdateContactMethods>};

} // namespace

Datum update_contact_methods(const TriggerData &trigger)
{
	return after_trigger<UpdateContactMethods>(trigger);
}

} // namespace contact_sync
