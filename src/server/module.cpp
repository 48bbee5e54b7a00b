/// The module: what PostgreSQL finds in it by name.

#include "catalog/binding.hpp"
#include "catalog/column.hpp"
#include "server/border.hpp"
#include "server/compat.hpp"
#include "server/run_as.hpp"
#include "server/settings.hpp"
#include "triggers/functions.hpp"
#include "trust/check.hpp"
#include "trust/trust.hpp"
#include "write/failure.hpp"

namespace
{

/// Every trigger function's way in.
template <typename Function> Datum enter(FunctionCallInfo fcinfo, const Function &function)
{
	const TriggerData &trigger = contact_sync::trigger_event(fcinfo);

	if (!contact_sync::settings::enabled)
		return contact_sync::unchanged_row(trigger);
	return contact_sync::as_error(
		[&trigger, &function]
		{
			contact_sync::fault("enter");
			return function(trigger);
		});
}

} // namespace

// The module is compiled with -fvisibility=hidden, and PostgreSQL 15's PGDLLEXPORT is empty there.
#pragma GCC visibility push(default)
extern "C"
{

	PG_MODULE_MAGIC_EXT(.name = "contact_sync", .version = CONTACT_SYNC_VERSION);

	void _PG_init(void);

	PG_FUNCTION_INFO_V1(sync_contact_numbers);
	PG_FUNCTION_INFO_V1(initialize_contact_preferences);
	PG_FUNCTION_INFO_V1(update_contact_methods);
	PG_FUNCTION_INFO_V1(touch_updated_at);
	PG_FUNCTION_INFO_V1(number);
	PG_FUNCTION_INFO_V1(run_as_owner);
	PG_FUNCTION_INFO_V1(run_as_keeper);
	PG_FUNCTION_INFO_V1(run_query);
	PG_FUNCTION_INFO_V1(run_write);
	PG_FUNCTION_INFO_V1(run_utility);
	PG_FUNCTION_INFO_V1(caller);
	PG_FUNCTION_INFO_V1(grant_execute);
	PG_FUNCTION_INFO_V1(is_computation);
	PG_FUNCTION_INFO_V1(is_refused);
	PG_FUNCTION_INFO_V1(is_text);
	PG_FUNCTION_INFO_V1(accepts);
}
#pragma GCC visibility pop

void _PG_init(void)
{
	contact_sync::settings::define();
	contact_sync::watch_invalidations();
	contact_sync::watch_transactions();
	contact_sync::watch_trigger_functions();
}

Datum sync_contact_numbers(PG_FUNCTION_ARGS)
{
	return enter(fcinfo, contact_sync::sync_contact_numbers);
}

Datum initialize_contact_preferences(PG_FUNCTION_ARGS)
{
	return enter(fcinfo, contact_sync::initialize_contact_preferences);
}

Datum update_contact_methods(PG_FUNCTION_ARGS)
{
	return enter(fcinfo, contact_sync::update_contact_methods);
}

Datum touch_updated_at(PG_FUNCTION_ARGS)
{
	return enter(fcinfo, contact_sync::touch_updated_at);
}

Datum number(PG_FUNCTION_ARGS)
{
	const text *argument = PG_GETARG_TEXT_PP(0);
	const std::string_view number = contact_sync::as_error([argument] { return contact_sync::number_of(argument); });

	if (number.empty())
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(number.data(), static_cast<int>(number.size())));
}

Datum run_as_owner(PG_FUNCTION_ARGS)
{
	return contact_sync::run_as_owner(fcinfo);
}

Datum run_as_keeper(PG_FUNCTION_ARGS)
{
	return contact_sync::run_as_keeper(fcinfo);
}

Datum run_query(PG_FUNCTION_ARGS)
{
	return contact_sync::run_query(fcinfo);
}

Datum run_write(PG_FUNCTION_ARGS)
{
	return contact_sync::run_write(fcinfo);
}

Datum run_utility(PG_FUNCTION_ARGS)
{
	contact_sync::run_utility(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

Datum caller(PG_FUNCTION_ARGS)
{
	(void)fcinfo;
	PG_RETURN_OID(contact_sync::caller());
}

Datum grant_execute(PG_FUNCTION_ARGS)
{
	contact_sync::grant_execute(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

Datum is_computation(PG_FUNCTION_ARGS)
{
	auto *expression = static_cast<Node *>(stringToNode(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	PG_RETURN_BOOL(contact_sync::is_computation(expression, PG_GETARG_BOOL(1)));
}

Datum is_refused(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(contact_sync::is_refused(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

Datum accepts(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	const char *value = PG_ARGISNULL(3) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(3));
	PG_RETURN_BOOL(contact_sync::accepts(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)), PG_GETARG_CHAR(2), value));
}

Datum is_text(PG_FUNCTION_ARGS)
{
	// A dropped column has no type, and a query may look at it before it is filtered out.
	const Oid type = PG_GETARG_OID(0);
	PG_RETURN_BOOL(SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(type)) && contact_sync::is_text_type(type));
}
