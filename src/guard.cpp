#include "guard.hpp"

#include "settings.hpp"

extern "C"
{
#include "storage/proc.h"
#include "utils/resowner.h"
}

namespace contact_sync
{

void set_option(const char *name, const char *value, GucContext context)
{
	(void)set_config_option(name, value, context, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

namespace
{

/// How long a body may wait for a lock, in milliseconds. It gives up before any session that waits for it can find a
/// deadlock, or else that session's customer would be the victim, outside any guard.
int patience(const Attempt &before)
{
	const int most = Min(settings::lock_timeout, Max(before.deadlock_timeout - 1, 1));
	return before.lock_timeout > 0 ? Min(most, before.lock_timeout) : most;
}

/// It looks for a deadlock itself at once: where it is the one that closes the circle, the other's check may be due any
/// moment.
constexpr int deadlock_timeout = 1;

void restore_waits(const Attempt &before)
{
	LockTimeout = before.lock_timeout;
	DeadlockTimeout = before.deadlock_timeout;
}

bool is_the_clients(const ErrorData &error)
{
	return error.sqlerrcode == ERRCODE_QUERY_CANCELED || error.sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

} // namespace

const char *search_path_of(Oid schema)
{
	return psprintf("pg_catalog, %s, pg_temp", quote_identifier(get_namespace_name(schema)));
}

void take_on(Oid role, int security_context)
{
	Oid user;
	int present;
	GetUserIdAndSecContext(&user, &present);
	SetUserIdAndSecContext(role, present | security_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
}

void Attempt::admit_users_code(const char *search_path) const
{
	// As SET LOCAL would, not by hand: such code may set them too, and what that finds is what the end of the
	// transaction restores.
	char milliseconds[16];
	pg_ltoa(patience(*this), milliseconds);
	restore_waits(*this);
	set_option("lock_timeout", milliseconds);
	pg_ltoa(contact_sync::deadlock_timeout, milliseconds);
	set_option("deadlock_timeout", milliseconds, PGC_SUSET);
	// As fmgr_security_definer() does it: an override of the path would be stronger than the SET clauses of the
	// functions that users' triggers call.
	if (search_path != nullptr)
		set_option("search_path", search_path);
}

ErrorData *attempt(Oid role, void (*body)(const void *argument, const Attempt &attempt), const void *argument)
{
	const MemoryContext context = CurrentMemoryContext;
	const ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = nullptr;
	Attempt attempt = {};
	GetUserIdAndSecContext(&attempt.user, &attempt.security_context);
	attempt.lock_timeout = LockTimeout;
	attempt.deadlock_timeout = DeadlockTimeout;

	BeginInternalSubTransaction(nullptr);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		// Both are read only when a wait begins.
		LockTimeout = patience(attempt);
		DeadlockTimeout = deadlock_timeout;
		// After the subtransaction's begin, and given back before its end: where it aborts it restores the user that
		// it began with.
		if (OidIsValid(role))
			take_on(role);
		as_error(
			[body, argument, &attempt]
			{
				fault("attempt");
				body(argument, attempt);
				fault("attempted");
			});
		SetUserIdAndSecContext(attempt.user, attempt.security_context);
		restore_waits(attempt);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		restore_waits(attempt);
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != nullptr && is_the_clients(*error))
		ReThrowError(error);
	return error;
}

} // namespace contact_sync
