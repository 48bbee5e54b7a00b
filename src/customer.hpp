/// A customer as it stands at this moment, whatever the trigger event was about.
#pragma once

#include "binding.hpp"

namespace contact_sync
{

struct Customer
{
	bool exists;
	std::string_view phone;	   ///< empty where there is no number, or no such column
	std::string_view whatsapp; ///< likewise
};

/// The customer of `row`, a row that the event's statement wrote: from the row itself, unless a nested statement has
/// changed or deleted it since; then it is read again by its key. `by_key` is where the plan for that is kept. To be
/// called in an SPI connection; good until its end.
Customer as_it_stands(Binding &binding, const TriggerData &trigger, TupleTableSlot *row, SPIPlanPtr &by_key);

/// Executes a plan with the customer's key and whatever else it takes. Returns the number of rows it touched.
uint64 execute(SPIPlanPtr plan, const Datum *values, const char *nulls);

} // namespace contact_sync
