#include "server/identity.hpp"

namespace contact_sync
{

namespace
{

Oid acting = InvalidOid;

} // namespace

Identity assume(Oid role, int security_context)
{
	Identity before = {InvalidOid, 0, acting};
	GetUserIdAndSecContext(&before.user, &before.security_context);
	SetUserIdAndSecContext(role, before.security_context | security_context | SECURITY_LOCAL_USERID_CHANGE |
									 SECURITY_NOFORCE_RLS);
	acting = role;
	return before;
}

void resume(const Identity &before)
{
	SetUserIdAndSecContext(before.user, before.security_context);
	acting = before.acting_role;
}

Oid owner_of(Oid table)
{
	const HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

Oid acting_role()
{
	return acting;
}

void restore_acting_role(Oid role)
{
	acting = role;
}

} // namespace contact_sync
