/// The settings contact_sync.*.
#pragma once

namespace contact_sync::settings
{

extern bool enabled;	 ///< contact_sync.enabled: off makes the trigger functions return at once
extern int lock_timeout; ///< contact_sync.lock_timeout, in milliseconds, at least 1

/// Makes them known to the server. To be called once, as the module is loaded.
void define();

} // namespace contact_sync::settings
