#include "guard.hpp"

#include "settings.hpp"

extern "C" {
#include "storage/proc.h"
#include "utils/resowner.h"
}

namespace contact_sync
{

namespace
{

/// The two time-outs of a wait for a lock. They are read when a wait begins (proc.c, ProcSleep): set directly they cost
/// nothing while nobody waits.
struct LockWaits
{
	int lock_timeout;
	int deadlock_timeout;

	static LockWaits now() { return {LockTimeout, DeadlockTimeout}; }

	void set() const
	{
		LockTimeout = lock_timeout;
		DeadlockTimeout = deadlock_timeout;
	}

	/// What the body may have of them. It gives up before any session that waits for it can find a deadlock, or else
	/// that session's customer would be the victim, outside any guard. And it looks for a deadlock at once: where it is
	/// itself the one that closes the circle, the other's check may be due any moment.
	LockWaits inside() const
	{
		int timeout = Min(settings::lock_timeout, Max(deadlock_timeout - 1, 1));
		if (lock_timeout > 0)
			timeout = Min(timeout, lock_timeout);
		return {timeout, 1};
	}
};

/// Rights taken. An abort of the subtransaction gives them back by itself, and to the user it began with: so they are
/// taken after its begin, and given back before its end.
struct Taken
{
	Oid user;
	int security_context;
	int guc_level;

	static Taken take(const Rights &rights)
	{
		Taken taken;
		GetUserIdAndSecContext(&taken.user, &taken.security_context);
		SetUserIdAndSecContext(rights.user,
							   taken.security_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);

		// As fmgr_security_definer() does it: an override of the path would be stronger than the SET clauses of the
		// functions that users' triggers call.
		taken.guc_level = NewGUCNestLevel();
		(void) set_config_option("search_path", rights.search_path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
		return taken;
	}

	void give_back() const
	{
		AtEOXact_GUC(true, guc_level);
		SetUserIdAndSecContext(user, security_context);
	}
};

bool is_the_clients(const ErrorData &error)
{
	return error.sqlerrcode == ERRCODE_QUERY_CANCELED || error.sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

} // namespace

ErrorData *attempt(const Rights *rights, void (*body)(const void *argument), const void *argument)
{
	const MemoryContext context = CurrentMemoryContext;
	const ResourceOwner owner = CurrentResourceOwner;
	const LockWaits waits = LockWaits::now();
	ErrorData *volatile error = nullptr;

	BeginInternalSubTransaction(nullptr);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		waits.inside().set();
		if (rights != nullptr)
		{
			const Taken taken = Taken::take(*rights);
			as_error([body, argument] { body(argument); });
			taken.give_back();
		}
		else
			as_error([body, argument] { body(argument); });
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	waits.set();
	if (error != nullptr && is_the_clients(*error))
		ReThrowError(error);
	return error;
}

} // namespace contact_sync
