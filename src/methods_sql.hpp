/// The statements that make contact_methods what the customers' numbers are: the text of each over a batch of one
/// customer or of many (statement.hpp). They read the customers as they stand, and find nothing by search_path.
#pragma once

#include "contact_table.hpp"

namespace contact_sync
{

/// Updates rows that have another number. Those that have it already are not even locked.
const char *update_sql(const Binding &binding, const ContactTable &methods, bool many);

/// Inserts rows that are not there; of new customers, all. One that another session inserts meanwhile is updated, where
/// `unique` is of use for that.
const char *insert_sql(const Binding &binding, const ContactTable &methods, const ContactTable &preferences,
					   Unique unique, bool are_new, bool many);

/// Deletes rows whose number is empty now.
const char *delete_sql(const Binding &binding, const ContactTable &methods, bool many);

} // namespace contact_sync
