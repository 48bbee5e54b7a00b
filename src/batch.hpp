/// Customers whose contact data is written together, and statements over them.
#pragma once

#include "event.hpp"

extern "C"
{
#include "utils/array.h"
}

namespace contact_sync
{

/// Customers by their keys, and for each which of the two numbers is meant. Lives in the memory context it is made in.
class Batch
{
  public:
	explicit Batch(const Binding &binding);

	void add(Datum key, bool whatsapp, bool phone);
	int size() const { return keys_->nelems; }

	/// The parameters of a statement: of the one customer, or arrays.
	void as_scalars(Datum (&parameters)[3]) const;
	void as_arrays(Datum (&parameters)[3]) const;

  private:
	ArrayBuildState *keys_;
	ArrayBuildState *whatsapp_;
	ArrayBuildState *phone_;
};

/// How many customers may be in a batch: what bounds the memory of a statement that changes millions.
int batch_limit(const Binding &binding);

/// A statement over a batch, prepared in each of two forms when that is first needed: an array costs a single customer
/// more than all else. Zeroed at first; lives with its binding.
struct Statement
{
	SPIPlanPtr for_one;
	SPIPlanPtr for_many;
};

/// Executes a statement over a batch; returns how many rows it touched. `sql(customers)` is its text, where `customers`
/// is a FROM item that joins
///
///   k (id, whatsapp, phone)   what is in the batch
///   c                         those customers, as they stand at this moment
///
/// To be called in an SPI connection. Raises what the statement raises.
template <typename Sql> uint64 execute(Binding &binding, Statement &statement, const Batch &batch, const Sql &sql);

// What execute() is made of.
const char *from_customers(const Binding &binding, bool many);
SPIPlanPtr prepare_over_batch(Binding &binding, const char *sql, bool many);
uint64 execute(SPIPlanPtr plan, const Batch &batch, bool many);

template <typename Sql> uint64 execute(Binding &binding, Statement &statement, const Batch &batch, const Sql &sql)
{
	if (batch.size() == 0)
		return 0;
	const bool many = batch.size() > 1;
	SPIPlanPtr &plan = many ? statement.for_many : statement.for_one;
	if (plan == nullptr)
		plan = prepare_over_batch(binding, sql(from_customers(binding, many)), many);
	return execute(plan, batch, many);
}

} // namespace contact_sync
