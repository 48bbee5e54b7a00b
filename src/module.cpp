/// The module: what PostgreSQL finds in it by name.

#include "binding.hpp"
#include "border.hpp"
#include "compat.hpp"
#include "failure.hpp"
#include "foreign_code.hpp"
#include "functions.hpp"
#include "number.hpp"
#include "owner.hpp"
#include "settings.hpp"

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
	PG_FUNCTION_INFO_V1(runs_foreign_code);
	PG_FUNCTION_INFO_V1(is_computation);
}
#pragma GCC visibility pop

void _PG_init(void)
{
	contact_sync::settings::define();
	contact_sync::watch_invalidations();
	contact_sync::watch_transactions();
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
	const std::string_view text(VARDATA_ANY(argument), VARSIZE_ANY_EXHDR(argument));
	const std::string_view number = contact_sync::as_error([text] { return contact_sync::number(text); });

	if (number.empty())
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(number.data(), static_cast<int>(number.size())));
}

Datum run_as_owner(PG_FUNCTION_ARGS)
{
	const char *statement = text_to_cstring(PG_GETARG_TEXT_PP(1));
	return contact_sync::run_as_owner(PG_GETARG_OID(0), statement, PG_GETARG_DATUM(2), &fcinfo->isnull);
}

Datum runs_foreign_code(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(contact_sync::runs_foreign_code(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)), PG_GETARG_OID(2)));
}

Datum is_computation(PG_FUNCTION_ARGS)
{
	auto *expression = static_cast<Node *>(stringToNode(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	PG_RETURN_BOOL(contact_sync::is_computation(expression));
}
