#include "write/batch.hpp"

extern "C"
{
#include "catalog/pg_type.h"
}

namespace contact_sync
{

static_assert(std::is_trivially_destructible_v<Batch>);

Batch::Batch(const Binding &binding)
	: keys_(initArrayResult(binding.id.type, CurrentMemoryContext, false)),
	  whatsapp_(initArrayResult(BOOLOID, CurrentMemoryContext, false)),
	  phone_(initArrayResult(BOOLOID, CurrentMemoryContext, false))
{
}

int Batch::limit(const Binding &binding, bool are_new)
{
	if (!OidIsValid(get_array_type(binding.id.type)))
		return 1;
	// Large enough for an execution's own cost to vanish, small enough for the processor's cache. New rows, which go in
	// by order of their keys, gain more by neighbours on an index page.
	return are_new ? 10000 : 1000;
}

void Batch::add(Datum key, bool whatsapp, bool phone)
{
	accumArrayResult(keys_, key, false, keys_->element_type, keys_->mcontext);
	accumArrayResult(whatsapp_, BoolGetDatum(whatsapp), false, BOOLOID, whatsapp_->mcontext);
	accumArrayResult(phone_, BoolGetDatum(phone), false, BOOLOID, phone_->mcontext);
}

Batch::Parameters Batch::as_scalars() const
{
	return {keys_->dvalues[0], whatsapp_->dvalues[0], phone_->dvalues[0]};
}

Batch::Parameters Batch::as_arrays() const
{
	return {makeArrayResult(keys_, keys_->mcontext), makeArrayResult(whatsapp_, whatsapp_->mcontext),
			makeArrayResult(phone_, phone_->mcontext)};
}

} // namespace contact_sync
