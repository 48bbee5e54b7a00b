#include "after_trigger.hpp"
#include "functions.hpp"

extern "C"
{
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
}

namespace contact_sync
{

namespace
{

// whatsapp is the method whatsapp; phone is sms and phone_call.
constexpr int methods_of_whatsapp = 1;
constexpr int methods_of_phone = 2;

// In the statements below nothing is found by search_path. `from` gives them the customers as they stand (batch.hpp).

/// The number in a column of the customer c.
const char *number_in(const Binding &binding, const Column &column)
{
	return AttributeNumberIsValid(column.number)
			   ? psprintf("%s(c.%s::pg_catalog.text)", binding.number, quote_identifier(NameStr(column.name)))
			   : "NULL::pg_catalog.text";
}

/// Of the method's row `m`: one thing where the method is of whatsapp, another where it is of phone.
const char *by_method(const char *of_whatsapp, const char *of_phone)
{
	return psprintf("CASE WHEN m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) 'whatsapp' THEN %1$s "
					"WHEN m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) 'sms' THEN %2$s "
					"WHEN m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) 'phone_call' THEN %2$s END",
					of_whatsapp, of_phone);
}

/// The number that the method's row `m` is to have.
const char *number_of_row(const Binding &binding)
{
	return by_method(number_in(binding, binding.whatsapp), number_in(binding, binding.phone));
}

/// The condition that `m` is a row of a method that is meant.
const char *row_is_meant(const Binding &binding)
{
	return psprintf("m.customer_id %s k.id AND %s", binding.key_equality, by_method("k.whatsapp", "k.phone"));
}

/// What becomes of the method's row `m` that has another number than `number`, an SQL expression.
const char *other_number(const ContactTable &methods, const char *number)
{
	StringInfoData sql;
	initStringInfo(&sql);
	appendStringInfo(&sql, "phone_number = %s", number);
	if (methods.has("is_available"))
		appendStringInfoString(&sql, ", is_available = true");
	if (methods.has("verification_status"))
		appendStringInfoString(&sql, ", verification_status = 'unknown'");
	if (methods.has("last_verified"))
		appendStringInfoString(&sql, ", last_verified = NULL");
	if (methods.has("updated_at"))
		appendStringInfoString(&sql, ", updated_at = pg_catalog.now()");
	return sql.data;
}

/// Rows that have this number already are not even locked.
const char *update_sql(const Binding &binding, const ContactTable &methods, bool many)
{
	const char *number = number_of_row(binding);
	return psprintf("UPDATE %s AS m SET %s FROM %s WHERE %s "
					"AND COALESCE(m.phone_number::pg_catalog.text, '') OPERATOR(pg_catalog.<>) %s",
					methods.name, other_number(methods, number), from_customers(binding, many), row_is_meant(binding),
					number);
}

const char *delete_sql(const Binding &binding, const ContactTable &methods, bool many)
{
	return psprintf("DELETE FROM %s AS m USING %s WHERE %s AND %s IS NULL", methods.name, from_customers(binding, many),
					row_is_meant(binding), number_of_row(binding));
}

/// A column's type, as SQL that no search_path can change.
const char *type_of(const ContactTable &table, const char *column)
{
	return format_type_extended(get_atttype(table.oid, get_attnum(table.oid, column)), -1, FORMAT_TYPE_FORCE_QUALIFY);
}

/// Inserts what is not there: of new customers, everything. A row that another session inserts meanwhile is updated.
const char *insert_sql(const Binding &binding, const ContactTable &methods, const ContactTable &preferences,
					   Unique unique, bool are_new, bool many)
{
	const bool has_preferred = methods.has("is_preferred");
	const char *preferred = "";
	const char *join_preferences = "";
	if (has_preferred && preferences.is_usable())
	{
		preferred = ", w.method OPERATOR(pg_catalog.=) COALESCE(p.preferred_method::pg_catalog.text, 'whatsapp')";
		join_preferences =
			psprintf("LEFT JOIN %s AS p ON p.customer_id %s k.id", preferences.name, binding.key_equality);
	}
	else if (has_preferred)
		preferred = ", w.method OPERATOR(pg_catalog.=) 'whatsapp'";

	StringInfoData sql;
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "INSERT INTO %1$s AS m (customer_id, method_type, phone_number%2$s) "
					 "SELECT %3$s k.id, w.method::%4$s, w.number%5$s FROM %6$s %7$s "
					 "CROSS JOIN LATERAL (VALUES ('whatsapp', %8$s, k.whatsapp), ('sms', %9$s, k.phone), "
					 "('phone_call', %9$s, k.phone)) AS w (method, number, is_meant) "
					 "WHERE w.is_meant AND w.number IS NOT NULL",
					 methods.name, has_preferred ? ", is_preferred" : "", are_new ? "" : "DISTINCT",
					 type_of(methods, "method_type"), preferred, from_customers(binding, many), join_preferences,
					 number_in(binding, binding.whatsapp), number_in(binding, binding.phone));
	if (are_new)
		return sql.data;

	appendStringInfo(&sql,
					 " AND NOT EXISTS (SELECT FROM %s AS m WHERE m.customer_id %s k.id "
					 "AND m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) w.method)",
					 methods.name, binding.key_equality);
	// With a deferrable index there is no arbiter: such a row is an error, for the guard.
	if (unique == Unique::immediate)
		appendStringInfo(&sql,
						 " ON CONFLICT (customer_id, method_type) DO UPDATE SET %s "
						 "WHERE COALESCE(m.phone_number::pg_catalog.text, '') "
						 "OPERATOR(pg_catalog.<>) excluded.phone_number::pg_catalog.text",
						 other_number(methods, "excluded.phone_number"));
	return sql.data;
}

bool key_changed(const Binding &binding, const Change &change)
{
	return change.before != nullptr &&
		   !same_bits(binding.id, field(binding.id, change.before), field(binding.id, change.after));
}

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

	enum class Task
	{
		nothing,
		write,
		remove,
	};

	/// The task for a column. A number that does not fit is left out of it, and that is a failure.
	Task task(const Binding &binding, const Work &work, const Change &change, const Column &column,
			  Failures &failures) const
	{
		if (!has_column(work, column) || !concerns_column(binding, column, change))
			return Task::nothing;
		const std::string_view number = contact_sync::number_in(column, field(column, change.after));
		if (number.empty())
			return change.before != nullptr || binding.is_partition ? Task::remove : Task::nothing;
		if (max_characters >= 0 &&
			pg_mbstrlen_with_len(number.data(), static_cast<int>(number.size())) > max_characters)
		{
			failures.add({field(binding.id, change.after), ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
						  psprintf("%s number is too long for column \"phone_number\" of table %s: it has room for %d "
								   "characters",
								   NameStr(column.name), target.name, max_characters),
						  "The customer's row is saved; the methods concerned keep the number they had, if any.",
						  nullptr, nullptr});
			return Task::nothing;
		}
		return Task::write;
	}

	void plan(const Binding &binding, const TriggerData &trigger, const Work &work, const Change &change, Tasks &tasks,
			  Failures &failures) const
	{
		// A foreign key's own triggers follow a changed key with the contact rows. Rows that a trigger had made at the
		// new key before them would be in their way, outside of any guard.
		if (TRIGGER_FIRED_FOR_ROW(trigger.tg_event) && key_changed(binding, change) &&
			strcmp(trigger.tg_trigger->tgname, "RI_ConstraintTrigger_a") < 0)
		{
			skip(work, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
				 psprintf("trigger \"%s\" fires before those of foreign keys, so it leaves changes of the key alone",
						  trigger.tg_trigger->tgname));
			return;
		}

		const Task whatsapp = task(binding, work, change, binding.whatsapp, failures);
		const Task phone = task(binding, work, change, binding.phone, failures);
		const Datum key = field(binding.id, change.after).value;
		if (whatsapp == Task::write || phone == Task::write)
			tasks.to_write.add(key, whatsapp == Task::write, phone == Task::write);
		if (whatsapp == Task::remove || phone == Task::remove)
			tasks.to_remove.add(key, whatsapp == Task::remove, phone == Task::remove);
		tasks.rows_to_write +=
			(whatsapp == Task::write ? methods_of_whatsapp : 0) + (phone == Task::write ? methods_of_phone : 0);
	}

	void carry_out(Binding &binding, const Tasks &tasks, bool are_new)
	{
		if (unique == Unique::none)
			ereport(ERROR, errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
					errmsg("there is no unique index on (customer_id, method_type) of table %s", target.name));

		const auto insert_with = [this, &binding](bool as_new)
		{
			return [this, &binding, as_new](bool many)
			{ return insert_sql(binding, target, preferences, unique, as_new, many); };
		};
		const auto update_with = [this, &binding](bool many) { return update_sql(binding, target, many); };
		const auto remove_with = [this, &binding](bool many) { return delete_sql(binding, target, many); };

		if (are_new && unique == Unique::immediate)
			execute(binding, insert_new, tasks.to_write, insert_with(true));
		else if (execute(binding, update, tasks.to_write, update_with) < tasks.rows_to_write)
			execute(binding, insert_missing, tasks.to_write, insert_with(false));
		execute(binding, remove, tasks.to_remove, remove_with);
	}
};

} // namespace

Datum update_contact_methods(const TriggerData &trigger, Oid function)
{
	return after_trigger<UpdateContactMethods>(trigger, function);
}

} // namespace contact_sync
