/// Statements that write contact data, prepared once and executed over batches of customers.
#pragma once

#include "batch.hpp"

namespace contact_sync
{

/// A statement in two forms, each prepared when it is first needed: an array costs a single customer more than all
/// else. Zeroed at first; lives with its binding.
struct Statement
{
	SPIPlanPtr for_one;
	SPIPlanPtr for_many;
};

/// A FROM item for a statement's text: k (id, whatsapp, phone), the batch, of $1, $2 and $3, scalars or arrays.
/// `in_order`: by key, for rows that are all to be inserted: one after the other they meet the same pages of each
/// index. Rows that are there lie as the customers do, not by key.
const char *from_batch(bool many, bool in_order);

/// The same, joined to c, those customers as they stand at this moment.
const char *from_customers(const Binding &binding, bool many, bool in_order);

/// Prepares a statement that lives as long as the binding. To be called with the rights and the search_path that it is
/// executed with. Raises what parsing raises.
SPIPlanPtr prepare(Binding &binding, const char *sql, bool many);

/// Executes a plan over a batch and returns how many rows it touched; as SPI_execute_plan() does it, but with CHECK
/// constraints that are compiled only once. To be called under the guard. Raises what the statement raises.
uint64 execute(Binding &binding, SPIPlanPtr plan, const Batch &batch, bool many);

/// The same for a statement, with `sql(many)` as its text.
template <typename Sql> uint64 execute(Binding &binding, Statement &statement, const Batch &batch, const Sql &sql)
{
	if (batch.size() == 0)
		return 0;
	const bool many = batch.size() > 1;
	SPIPlanPtr &plan = many ? statement.for_many : statement.for_one;
	if (plan == nullptr)
		plan = prepare(binding, sql(many), many);
	return execute(binding, plan, batch, many);
}

} // namespace contact_sync
