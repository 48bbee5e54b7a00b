/// The trigger functions. Each takes the event that it was called for and returns what a trigger function returns.
///
/// Their rules are in README.md ("What the triggers do") and doc/reference.md. They never fail the customer's
/// statement: what goes wrong becomes a WARNING and a row in failures (failure.hpp); 57014 and 40001 alone are raised.
#pragma once

#include "triggers/event.hpp"

namespace contact_sync
{

/// BEFORE INSERT OR UPDATE on customers: of phone and whatsapp, an empty one takes the other's value.
Datum sync_contact_numbers(const TriggerData &trigger);

/// AFTER INSERT on customers: one row of contact_preferences for each.
Datum initialize_contact_preferences(const TriggerData &trigger);

/// AFTER INSERT OR UPDATE on customers: contact_methods as the numbers are.
Datum update_contact_methods(const TriggerData &trigger);

/// BEFORE UPDATE on a contact table: sets the column updated_at, or the one that the trigger's argument names.
Datum touch_updated_at(const TriggerData &trigger);

} // namespace contact_sync
