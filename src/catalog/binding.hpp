/// What a trigger needs to know of its table, looked up once.
///
/// After ri_triggers.c: cached per trigger, dropped by relcache and syscache invalidations.
#pragma once

#include "catalog/column.hpp"
#include "catalog/lineage.hpp"
#include "server/postgres.hpp"

extern "C"
{
#include "nodes/plannodes.h"
}

namespace contact_sync
{

/// A trigger bound to its table. Whatever it points to lives in `context`.
struct Binding
{
	Oid trigger;
	Oid function;			  ///< the trigger's
	Oid table;				  ///< the customers table, or the partition or child of it that the trigger is on
	Oid topmost;			  ///< the topmost table of its lineage: what contact data is written from
	Oid owner;				  ///< of the topmost: the role that contact data is written as
	Oid schema;				  ///< of the topmost: where the contact tables are
	const char *customers;	  ///< the topmost's name, qualified and quoted, for failures and for SQL
	const char *plain_name;	  ///< the same for people, who see it in double quotes
	const char *search_path;  ///< for the body: pg_catalog, the schema, pg_temp
	const char *key_equality; ///< the operator that compares keys, qualified; null where the type has none
	const char *number;		  ///< the function number(), qualified and quoted
	bool is_partition;
	bool is_partitioned;
	bool is_of_owner;	  ///< the table's own owner has the rights of the topmost's
	bool has_row_trigger; ///< beside a statement trigger
	Followed followed;	  ///< which row events a statement trigger follows
	Column id;
	Column phone;
	Column whatsapp;

	/// Something that was looked up has changed: the binding is still whole, but not to be trusted any more.
	bool stale;
	/// It also depends on what does not exist (or has children): any change of any table makes it stale.
	bool depends_on_absence;
	List *tables; ///< OIDs of the tables it depends on
	List *items;  ///< of PlanInvalItem *: the functions and types that its plans depend on
	List *checks; ///< CHECK constraints of the tables it writes (statement.cpp)

	void *function_state;
	MemoryContext context;

	/// What the trigger's function itself keeps here, zeroed at first. A trigger has one function, so one type.
	template <typename State> State &state()
	{
		static_assert(std::is_trivially_destructible_v<State>, "a memory context runs no destructors");
		if (function_state == nullptr)
			function_state = MemoryContextAllocZero(context, sizeof(State));
		return *static_cast<State *>(function_state);
	}
};

/// The binding of a trigger, from the cache where it is not stale. Good until the end of the transaction, even where it
/// becomes stale meanwhile.
Binding &binding_of(const TriggerData &trigger);

/// Notes that the binding depends on a table, or on what a plan depends on.
void depend_on(Binding &binding, Oid table);
void depend_on(Binding &binding, const PlannedStmt &plan);

/// Registers the cache's callbacks. To be called once, as the module is loaded.
void watch_invalidations();

} // namespace contact_sync
