#include "methods_sql.hpp"

#include "statement.hpp"

extern "C"
{
#include "lib/stringinfo.h"
}

namespace contact_sync
{

namespace
{

/// The number in a column of the customer c.
const char *number_in_sql(const Binding &binding, const Column &column)
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
	return by_method(number_in_sql(binding, binding.whatsapp), number_in_sql(binding, binding.phone));
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

/// A column's type, as SQL that no search_path can change.
const char *type_of(const ContactTable &table, const char *column)
{
	return format_type_extended(get_atttype(table.oid, get_attnum(table.oid, column)), -1, FORMAT_TYPE_FORCE_QUALIFY);
}

} // namespace

const char *update_sql(const Binding &binding, const ContactTable &methods, bool many)
{
	const char *number = number_of_row(binding);
	return psprintf("UPDATE %s AS m SET %s FROM %s WHERE %s "
					"AND COALESCE(m.phone_number::pg_catalog.text, '') OPERATOR(pg_catalog.<>) %s",
					methods.name, other_number(methods, number), from_customers(binding, many, false),
					row_is_meant(binding), number);
}

const char *delete_sql(const Binding &binding, const ContactTable &methods, bool many)
{
	return psprintf("DELETE FROM %s AS m USING %s WHERE %s AND %s IS NULL", methods.name,
					from_customers(binding, many, false), row_is_meant(binding), number_of_row(binding));
}

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
					 type_of(methods, "method_type"), preferred, from_customers(binding, many, are_new),
					 join_preferences, number_in_sql(binding, binding.whatsapp), number_in_sql(binding, binding.phone));
	if (are_new)
		return sql.data;

	appendStringInfo(&sql,
					 " AND NOT EXISTS (SELECT FROM %s AS m WHERE m.customer_id %s k.id "
					 "AND m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) w.method)",
					 methods.name, binding.key_equality);
	// With a deferrable index there is no arbiter, and with rules ON CONFLICT is refused: such a row is an error, for
	// the guard.
	if (unique == Unique::immediate && !methods.has_rules)
		appendStringInfo(&sql,
						 " ON CONFLICT (customer_id, method_type) DO UPDATE SET %s "
						 "WHERE COALESCE(m.phone_number::pg_catalog.text, '') "
						 "OPERATOR(pg_catalog.<>) excluded.phone_number::pg_catalog.text",
						 other_number(methods, "excluded.phone_number"));
	return sql.data;
}

} // namespace contact_sync
