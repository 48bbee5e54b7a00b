#include "server/settings.hpp"

#include "server/postgres.hpp"

namespace contact_sync::settings
{

bool enabled = true;
int lock_timeout = 500;

void define()
{
	DefineCustomBoolVariable("contact_sync.enabled", "Lets the trigger functions of contact_sync do their work.",
							 "When off, they return at once and the contact tables drift from the customers.", &enabled,
							 enabled, PGC_SUSET, 0, nullptr, nullptr, nullptr);

	// Without an upper end of its own the wait could outlast another session's deadlock check: so 0 is no value here.
	DefineCustomIntVariable("contact_sync.lock_timeout", "How long contact_sync waits for a lock on contact data.",
							"In effect it is always less than deadlock_timeout, and no more than lock_timeout.",
							&lock_timeout, lock_timeout, 1, INT_MAX, PGC_USERSET, GUC_UNIT_MS, nullptr, nullptr,
							nullptr);

	MarkGUCPrefixReserved("contact_sync");
}

} // namespace contact_sync::settings
