#include "batch.hpp"

extern "C"
{
#include "catalog/pg_type.h"
}

namespace contact_sync
{

namespace
{

// Large enough for its cost to vanish, small enough to stay in the processor's cache.
constexpr int most_customers = 1000;

} // namespace

Batch::Batch(const Binding &binding)
	: keys_(initArrayResult(binding.id.type, CurrentMemoryContext, false)),
	  whatsapp_(initArrayResult(BOOLOID, CurrentMemoryContext, false)),
	  phone_(initArrayResult(BOOLOID, CurrentMemoryContext, false))
{
	static_assert(std::is_trivially_destructible_v<Batch>);
}

void Batch::add(Datum key, bool whatsapp, bool phone)
{
	accumArrayResult(keys_, key, false, keys_->element_type, keys_->mcontext);
	accumArrayResult(whatsapp_, BoolGetDatum(whatsapp), false, BOOLOID, whatsapp_->mcontext);
	accumArrayResult(phone_, BoolGetDatum(phone), false, BOOLOID, phone_->mcontext);
}

void Batch::as_scalars(Datum (&parameters)[3]) const
{
	parameters[0] = keys_->dvalues[0];
	parameters[1] = whatsapp_->dvalues[0];
	parameters[2] = phone_->dvalues[0];
}

void Batch::as_arrays(Datum (&parameters)[3]) const
{
	parameters[0] = makeArrayResult(keys_, keys_->mcontext);
	parameters[1] = makeArrayResult(whatsapp_, whatsapp_->mcontext);
	parameters[2] = makeArrayResult(phone_, phone_->mcontext);
}

int batch_limit(const Binding &binding)
{
	return OidIsValid(get_array_type(binding.id.type)) ? most_customers : 1;
}

const char *from_customers(const Binding &binding, bool many)
{
	return psprintf("%s AS k (id, whatsapp, phone) JOIN %s AS c ON c.%s %s k.id",
					many ? "ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
						 : "(SELECT $1, $2, $3)",
					binding.table_name, quote_identifier(NameStr(binding.id.name)), binding.key_equality);
}

SPIPlanPtr prepare_over_batch(Binding &binding, const char *sql, bool many)
{
	Oid of_one[] = {binding.id.type, BOOLOID, BOOLOID};
	Oid of_many[] = {get_array_type(binding.id.type), BOOLARRAYOID, BOOLARRAYOID};
	return prepare(binding, sql, lengthof(of_one), many ? of_many : of_one);
}

uint64 execute(SPIPlanPtr plan, const Batch &batch, bool many)
{
	Datum parameters[3];
	if (many)
		batch.as_arrays(parameters);
	else
		batch.as_scalars(parameters);

	const int result = SPI_execute_plan(plan, parameters, nullptr, false, 0);
	if (result < 0)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("contact_sync: SPI_execute_plan returned %s", SPI_result_code_string(result)));
	return SPI_processed;
}

} // namespace contact_sync
