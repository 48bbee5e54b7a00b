/// The statements that make contact_methods what the customers' numbers are: the text of each over a batch of one
/// customer or of many (statement.hpp). They read the customers as they stand, and find nothing by search_path.
#pragma once

#include "catalog/contact_table.hpp"

namespace contact_sync
{

enum class NumberColumn
{
	whatsapp,
	phone,
};

/// What a customer's methods are, and which column has the number of each.
struct MethodType
{
	const char *name;
	NumberColumn column;
};
constexpr MethodType method_types[] = {
	{"whatsapp", NumberColumn::whatsapp}, {"sms", NumberColumn::phone}, {"phone_call", NumberColumn::phone}};

/// How many methods have their number in a column.
constexpr int methods_of(NumberColumn column)
{
	int count = 0;
	for (const MethodType &type : method_types)
		count += type.column == column ? 1 : 0;
	return count;
}

/// Updates rows that have another number. Those that have it already are not even locked.
const char *update_sql(const Binding &binding, const ContactTable &methods, bool many);

/// Inserts rows that are not there; of new customers, all. One that another session inserts meanwhile is updated, where
/// `unique` is of use for that.
const char *insert_sql(const Binding &binding, const ContactTable &methods, const ContactTable &preferences,
					   Unique unique, bool are_new, bool many);

/// Insertion in two steps, where rules rewrite an INSERT: PostgreSQL evaluates its source once more for each action of
/// a rule, and then the rows are there. The first one returns what is not there, as arrays: customers, methods,
/// numbers, which are preferred; the second inserts it.
const char *missing_sql(const Binding &binding, const ContactTable &methods, const ContactTable &preferences,
						bool many);
const char *insert_listed_sql(const ContactTable &methods);

/// Deletes rows whose number is empty now.
const char *delete_sql(const Binding &binding, const ContactTable &methods, bool many);

} // namespace contact_sync
