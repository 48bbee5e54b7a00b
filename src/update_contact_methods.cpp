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

// The parameters of the statements below: $1 the customer's key; $2 what concerns whatsapp, $3 what concerns phone: a
// number or null to write, true or false to delete. Nothing in them is found by search_path.
constexpr int parameters = 3;

constexpr const char *is_whatsapp = "m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) 'whatsapp'";
constexpr const char *is_phone = "(m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) 'sms' OR "
								 "m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) 'phone_call')";

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
const char *update_sql(const Binding &binding, const ContactTable &methods)
{
	const char *number = psprintf("CASE WHEN %s THEN $2 WHEN %s THEN $3 END", is_whatsapp, is_phone);
	return psprintf("UPDATE %s AS m SET %s WHERE m.customer_id %s $1 "
					"AND COALESCE(m.phone_number::pg_catalog.text, '') OPERATOR(pg_catalog.<>) %s",
					methods.name, other_number(methods, number), binding.key_equality, number);
}

/// A column's type, as SQL that no search_path can change.
const char *type_of(const ContactTable &table, const char *column)
{
	return format_type_extended(get_atttype(table.oid, get_attnum(table.oid, column)), -1, FORMAT_TYPE_FORCE_QUALIFY);
}

/// Inserts the rows that are not there. One that another session inserts meanwhile is updated.
const char *insert_sql(const Binding &binding, const ContactTable &methods, const ContactTable &preferences,
					   Unique unique)
{
	const char *preferred = "'whatsapp'";
	if (preferences.is_usable())
		preferred = psprintf("COALESCE((SELECT p.preferred_method::pg_catalog.text FROM %s AS p "
							 "WHERE p.customer_id %s $1 LIMIT 1), 'whatsapp')",
							 preferences.name, binding.key_equality);
	const bool has_preferred = methods.has("is_preferred");

	StringInfoData sql;
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "INSERT INTO %s AS m (customer_id, method_type, phone_number%s) SELECT $1, w.method::%s, w.number",
					 methods.name, has_preferred ? ", is_preferred" : "", type_of(methods, "method_type"));
	if (has_preferred)
		appendStringInfo(&sql, ", w.method OPERATOR(pg_catalog.=) %s", preferred);
	appendStringInfo(&sql,
					 " FROM (VALUES ('whatsapp', $2), ('sms', $3), ('phone_call', $3)) AS w (method, number) "
					 "WHERE w.number IS NOT NULL AND NOT EXISTS (SELECT FROM %s AS e WHERE e.customer_id %s $1 "
					 "AND e.method_type::pg_catalog.text OPERATOR(pg_catalog.=) w.method)",
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

const char *delete_sql(const Binding &binding, const ContactTable &methods)
{
	return psprintf("DELETE FROM %s AS m WHERE m.customer_id %s $1 AND ($2 AND %s OR $3 AND %s)", methods.name,
					binding.key_equality, is_whatsapp, is_phone);
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

/// What is to be done for one of the customer's numbers.
struct Task
{
	bool remove;
	std::string_view number; ///< to be written, unless empty

	Datum as_text() const
	{
		if (number.empty())
			return 0;
		return PointerGetDatum(cstring_to_text_with_len(number.data(), static_cast<int>(number.size())));
	}
	char is_null() const { return number.empty() ? 'n' : ' '; }
};

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
	SPIPlanPtr by_key;
	SPIPlanPtr update;
	SPIPlanPtr insert;
	SPIPlanPtr remove;

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

	/// Writes the numbers that are not null; returns how many rows it touched.
	uint64 write(Binding &binding, bool as_insert, const Datum *values, const char *nulls)
	{
		Oid types[parameters] = {binding.id.type, TEXTOID, TEXTOID};
		if (as_insert && insert == nullptr)
			insert = prepare(binding, insert_sql(binding, target, preferences, unique), parameters, types);
		if (!as_insert && update == nullptr)
			update = prepare(binding, update_sql(binding, target), parameters, types);
		return execute(as_insert ? insert : update, values, nulls);
	}

	void erase(Binding &binding, const Datum *values)
	{
		Oid types[parameters] = {binding.id.type, BOOLOID, BOOLOID};
		if (remove == nullptr)
			remove = prepare(binding, delete_sql(binding, target), parameters, types);
		execute(remove, values, nullptr);
	}

	/// The task for a column; a number that does not fit is left out of it, and that is a failure.
	Task task(const Binding &binding, const Work &work, const Change &change, const Column &column,
			  std::string_view number) const
	{
		if (!has_column(work, column) || !concerns_column(binding, column, change))
			return {};
		if (number.empty())
			return {change.before != nullptr || binding.is_partition, {}};
		if (max_characters >= 0 &&
			pg_mbstrlen_with_len(number.data(), static_cast<int>(number.size())) > max_characters)
		{
			fail(work,
				 {ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
				  psprintf(
					  "%s number is too long for column \"phone_number\" of table %s: it has room for %d characters",
					  NameStr(column.name), target.name, max_characters),
				  "The customer's row is saved; the methods concerned keep the number they had, if any.", nullptr,
				  nullptr});
			return {};
		}
		return {false, number};
	}

	void apply(Binding &binding, const TriggerData &trigger, const Work &work, const Change &change)
	{
		// A foreign key's own triggers follow a changed key with the contact rows. Rows that a trigger had made at the
		// new key before them would be in their way, outside of any guard.
		if (key_changed(binding, change) && strcmp(trigger.tg_trigger->tgname, "RI_ConstraintTrigger_a") < 0)
		{
			skip(work, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
				 psprintf("trigger \"%s\" fires before those of foreign keys, so it leaves changes of the key alone",
						  trigger.tg_trigger->tgname));
			return;
		}

		const Customer customer = as_it_stands(binding, trigger, change.after, by_key);
		if (!customer.exists)
			return;
		const Task whatsapp = task(binding, work, change, binding.whatsapp, customer.whatsapp);
		const Task phone = task(binding, work, change, binding.phone, customer.phone);

		if (unique == Unique::none)
			ereport(ERROR, errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
					errmsg("there is no unique index on (customer_id, method_type) of table %s", target.name));
		const uint64 wanted =
			(whatsapp.number.empty() ? 0 : methods_of_whatsapp) + (phone.number.empty() ? 0 : methods_of_phone);
		if (wanted > 0)
		{
			// First what most likely does all of it: a new customer has no methods, another has them.
			const bool is_new = change.before == nullptr;
			const Datum values[parameters] = {work.key.value, whatsapp.as_text(), phone.as_text()};
			const char nulls[parameters] = {' ', whatsapp.is_null(), phone.is_null()};
			if (write(binding, is_new, values, nulls) < wanted)
				write(binding, !is_new, values, nulls);
		}
		if (whatsapp.remove || phone.remove)
		{
			const Datum values[parameters] = {work.key.value, BoolGetDatum(whatsapp.remove),
											  BoolGetDatum(phone.remove)};
			erase(binding, values);
		}
	}
};

} // namespace

Datum update_contact_methods(const TriggerData &trigger, Oid function)
{
	return after_trigger<UpdateContactMethods>(trigger, function);
}

} // namespace contact_sync
