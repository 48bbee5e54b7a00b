/// Code that users wrote for a contact table: it may look names up by search_path, and set parameters of its own.
#pragma once

#include "catalog/binding.hpp"

namespace contact_sync
{

/// Whether anything that users wrote might run where the table is written, or read, for customers: a trigger, a rule, a
/// foreign key to elsewhere, a default, CHECK constraint, index or type that does more than compute in C. True also
/// where that is not known. The table is open, and stays what it is while its lock is held.
bool runs_users_code(Relation table, const Binding &binding);

} // namespace contact_sync
