#include "write/methods_sql.hpp"

#include "trust/check.hpp"
#include "write/statement.hpp"

extern "C"
{
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
}

namespace contact_sync
{

namespace
{

/// A number or method as text that is compared bit by bit, whatever its column's type and collation: a collation may
/// differ from that of the other column, and one that is not deterministic calls different numbers equal, as citext
/// does.
const char *bit_by_bit(const char *value)
{
	return psprintf("%s::pg_catalog.text COLLATE pg_catalog.\"C\"", value);
}

/// The number in a column of the customer c.
const char *number_in_sql(const Binding &binding, const Column &column)
{
	if (!column.has_numbers())
		return "NULL::pg_catalog.text";
	return bit_by_bit(psprintf("%s(c.%s::pg_catalog.text)", binding.number, quote_identifier(NameStr(column.name))));
}

/// Of the method's row `m`: one thing where its number is in whatsapp, another where it is in phone.
const char *by_method(const char *of_whatsapp, const char *of_phone)
{
	StringInfoData sql;
	initStringInfo(&sql);
	for (const MethodType &type : method_types)
		appendStringInfo(&sql, "WHEN %s OPERATOR(pg_catalog.=) '%s' THEN %s ", bit_by_bit("m.method_type"), type.name,
						 type.column == NumberColumn::whatsapp ? of_whatsapp : of_phone);
	return psprintf("CASE %sEND", sql.data);
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

/// What a row gets beside another number, where its columns accept it.
struct Value
{
	const char *column;
	char category;	  ///< see accepts()
	const char *text; ///< as accepts() has it
	const char *sql;
};
constexpr Value values[] = {{"is_available", TYPCATEGORY_BOOLEAN, "true", "true"},
							{"verification_status", TYPCATEGORY_STRING, "unknown", "'unknown'"},
							{"last_verified", TYPCATEGORY_DATETIME, nullptr, "NULL"},
							{"updated_at", TYPCATEGORY_DATETIME, "now", "pg_catalog.now()"}};

/// What becomes of the method's row `m` that has another number than `number`, an SQL expression.
const char *other_number(const ContactTable &methods, const char *number)
{
	StringInfoData sql;
	initStringInfo(&sql);
	appendStringInfo(&sql, "phone_number = %s", number);
	for (const Value &value : values)
		if (accepts(methods.oid, value.column, value.category, value.text))
			appendStringInfo(&sql, ", %s = %s", value.column, value.sql);
	return sql.data;
}

/// Whether a new row can say if its method is the preferred one.
bool has_preferred(const ContactTable &methods)
{
	return accepts(methods.oid, "is_preferred", TYPCATEGORY_BOOLEAN, "true") &&
		   accepts(methods.oid, "is_preferred", TYPCATEGORY_BOOLEAN, "false");
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
					"AND COALESCE(%s, '') OPERATOR(pg_catalog.<>) %s",
					methods.name, other_number(methods, number), from_customers(binding, many, false),
					row_is_meant(binding), bit_by_bit("m.phone_number"), number);
}

const char *delete_sql(const Binding &binding, const ContactTable &methods, bool many)
{
	return psprintf("DELETE FROM %s AS m USING %s WHERE %s AND %s IS NULL", methods.name,
					from_customers(binding, many, false), row_is_meant(binding), number_of_row(binding));
}

namespace
{

/// Where the rows come from that a batch of customers is to have: k.id, w.method, w.number, p.preferred.
const char *from_wanted(const Binding &binding, const ContactTable &preferences, bool in_order, bool many)
{
	const char *preferred = preferences.is_usable()
								? psprintf("LEFT JOIN LATERAL (SELECT %s FROM %s AS p WHERE p.customer_id %s k.id) "
										   "AS p (preferred) ON true",
										   bit_by_bit("p.preferred_method"), preferences.name, binding.key_equality)
								: "CROSS JOIN (SELECT NULL::pg_catalog.text) AS p (preferred)";
	StringInfoData wanted;
	initStringInfo(&wanted);
	for (const MethodType &type : method_types)
	{
		const bool of_whatsapp = type.column == NumberColumn::whatsapp;
		appendStringInfo(&wanted, "%s('%s', %s, %s)", wanted.len > 0 ? ", " : "", type.name,
						 number_in_sql(binding, of_whatsapp ? binding.whatsapp : binding.phone),
						 of_whatsapp ? "k.whatsapp" : "k.phone");
	}
	return psprintf("%s %s CROSS JOIN LATERAL (VALUES %s) AS w (method, number, is_meant) "
					"WHERE w.is_meant AND w.number IS NOT NULL",
					from_customers(binding, many, in_order), preferred, wanted.data);
}

constexpr const char *is_preferred = "w.method OPERATOR(pg_catalog.=) COALESCE(p.preferred, 'whatsapp')";

const char *and_missing(const Binding &binding, const ContactTable &methods)
{
	return psprintf("AND NOT EXISTS (SELECT 1 FROM %s AS m WHERE m.customer_id %s k.id "
					"AND %s OPERATOR(pg_catalog.=) w.method)",
					methods.name, binding.key_equality, bit_by_bit("m.method_type"));
}

} // namespace

const char *insert_sql(const Binding &binding, const ContactTable &methods, const ContactTable &preferences,
					   Unique unique, bool are_new, bool many)
{
	const bool preferred = has_preferred(methods);
	StringInfoData sql;
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "INSERT INTO %s AS m (customer_id, method_type, phone_number%s) "
					 "SELECT %s k.id, w.method::%s, w.number%s FROM %s",
					 methods.name, preferred ? ", is_preferred" : "", are_new ? "" : "DISTINCT",
					 type_of(methods, "method_type"), preferred ? psprintf(", %s", is_preferred) : "",
					 from_wanted(binding, preferences, are_new, many));
	if (are_new)
		return sql.data;

	appendStringInfo(&sql, " %s", and_missing(binding, methods));
	// With a deferrable index there is no arbiter: such a row is an error, for the guard.
	if (unique == Unique::immediate)
		appendStringInfo(&sql,
						 " ON CONFLICT (customer_id, method_type) DO UPDATE SET %s "
						 "WHERE COALESCE(%s, '') OPERATOR(pg_catalog.<>) %s",
						 other_number(methods, "excluded.phone_number"), bit_by_bit("m.phone_number"),
						 bit_by_bit("excluded.phone_number"));
	return sql.data;
}

const char *missing_sql(const Binding &binding, const ContactTable &methods, const ContactTable &preferences, bool many)
{
	return psprintf(
		"SELECT pg_catalog.array_agg(l.id), pg_catalog.array_agg(l.method), pg_catalog.array_agg(l.number), "
		"pg_catalog.array_agg(l.is_preferred) "
		"FROM (SELECT DISTINCT k.id, w.method, w.number, %s FROM %s %s) AS l (id, method, number, is_preferred)",
		is_preferred, from_wanted(binding, preferences, false, many), and_missing(binding, methods));
}

const char *insert_listed_sql(const ContactTable &methods)
{
	const bool preferred = has_preferred(methods);
	return psprintf("INSERT INTO %s (customer_id, method_type, phone_number%s) SELECT l.id, l.method::%s, l.number%s "
					"FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), "
					"pg_catalog.unnest($4)) AS l (id, method, number, is_preferred)",
					methods.name, preferred ? ", is_preferred" : "", type_of(methods, "method_type"),
					preferred ? ", l.is_preferred" : "");
}

} // namespace contact_sync
