/// Acting with another role's rights.
#pragma once

#include "server/postgres.hpp"

namespace contact_sync
{

/// Whose rights are in force.
struct Identity
{
	Oid user;
	int security_context;
	Oid acting_role; ///< see acting_role()
};

/// Takes on a role's rights, and returns those that were in force before. `security_context` is added to what there is,
/// and to what these rights are always taken on with: no SET ROLE, and no row security that is forced on the owner.
///
/// To be undone by resume(). After an ERROR the abort of the (sub)transaction restores the user, and
/// restore_acting_role() the rest.
Identity assume(Oid role, int security_context = 0);

/// Restores what assume() returned.
void resume(const Identity &before);

/// The owner of a table; InvalidOid where there is no such table.
Oid owner_of(Oid table);

/// The role that contact_sync acts as at this moment, or InvalidOid.
Oid acting_role();
void restore_acting_role(Oid role);

} // namespace contact_sync
