/// Customers whose contact data is written together.
#pragma once

#include "catalog/binding.hpp"

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
	/// As parameters of a statement: of the one customer, or arrays.
	struct Parameters
	{
		Datum key;
		Datum whatsapp;
		Datum phone;
	};

	explicit Batch(const Binding &binding);

	/// How many customers may be in a batch, which bounds the memory of a statement that changes millions; more where
	/// they are new.
	static int limit(const Binding &binding, bool are_new);

	void add(Datum key, bool whatsapp, bool phone);
	int size() const { return keys_->nelems; }
	Parameters as_scalars() const;
	Parameters as_arrays() const;

  private:
	ArrayBuildState *keys_;
	ArrayBuildState *whatsapp_;
	ArrayBuildState *phone_;
};

} // namespace contact_sync
