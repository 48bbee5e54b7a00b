/// Our own statements: what PostgreSQL makes of their text, and how it is executed.
#pragma once

#include "write/batch.hpp"

namespace contact_sync
{

/// A statement, ready to be executed. What was checked is what is executed: names were resolved once, and the plan goes
/// with whatever it was made for. A rule can make it none, one or several (PlannedStmt).
struct Plan
{
	const char *sql;
	List *statements;
};

/// Plans a statement whose parameters $1, $2, ... are of `types`, for any values or, where they are given, for these;
/// locks the tables it names until the end of the transaction. It may name the tables in `relations`; where that is
/// null, all whose owner has the rights of the current user. It lives in the current memory context, as long as `sql`.
/// Raises 55000 or 42501 for another table, 42601 for anything but a single SELECT, INSERT, UPDATE, DELETE or MERGE,
/// and what parsing raises.
Plan *plan_statement(const char *sql, const Oid *types, int type_count, const List *relations,
					 ParamListInfo values = nullptr);

/// Executes a plan as SPI_execute_plan() does (spi.c, _SPI_execute_plan): statement by statement, rows that it returns
/// go to `receiver`, triggers fire. Settings that users' code makes meanwhile are undone. Returns how many rows the
/// statement itself touched. Raises what the statement raises. `started`, if any, is called with `argument` for each
/// query that the executor has started.
uint64 execute_plan(const Plan &plan, ParamListInfo parameters, DestReceiver *receiver,
					void (*started)(const QueryDesc &query, void *argument) = nullptr, void *argument = nullptr);

/// A statement of the triggers in two forms, each planned when it is first needed: for a single customer, building
/// arrays would dominate the cost. Zeroed at first; lives with its binding.
struct Statement
{
	Plan *for_one;
	Plan *for_many;
};

/// A FROM item for a statement's text: k (id, whatsapp, phone), the batch, of $1, $2 and $3, scalars or arrays.
/// `in_order`: by key, for rows that are all to be inserted: one after the other they meet the same pages of each
/// index. Rows that are there lie as the customers do, not by key.
const char *from_batch(bool many, bool in_order);

/// The same, joined to c, those customers as they stand at this moment.
const char *from_customers(const Binding &binding, bool many, bool in_order);

/// Plans a statement for a batch, to look rows up by index, one by one, whatever the planner settings of the session:
/// made while a table is empty, the plan must serve it when it is full. To be called under the guard, with the owner's
/// rights.
Plan *plan_for_batch(const Binding &binding, const char *sql, bool many, const List *relations);

/// Keeps a copy of a plan for as long as the binding lives, and notes what it depends on.
Plan *keep(Binding &binding, const Plan &plan);

/// Locks what a plan reads and writes, as it was when it was made (plancache.c, AcquireExecutorLocks).
void lock_relations(const Plan &plan);

/// The plan of a statement for a batch of that size, with its tables locked. `sql(many)` is its text, and `relations`
/// are the tables that it names. To be called under the guard, with the owner's rights. Raises what parsing raises.
template <typename Sql>
const Plan &plan_of(Binding &binding, Statement &statement, int size, const List *relations, const Sql &sql)
{
	const bool many = size > 1;
	Plan *&kept = many ? statement.for_many : statement.for_one;
	if (kept != nullptr)
		lock_relations(*kept);
	if (kept != nullptr && !binding.stale)
		return *kept;
	// What changed meanwhile, by a trigger that this body fired perhaps, asks for a plan of its own.
	Plan *plan = plan_for_batch(binding, sql(many), many, relations);
	return binding.stale ? *plan : *(kept = keep(binding, *plan));
}

/// Executes a plan over a batch, with CHECK constraints that are compiled only once.
uint64 execute(Binding &binding, const Plan &plan, const Batch &batch);

/// Executes a statement over a batch and returns how many rows it touched; see plan_of(). Raises what the statement
/// raises.
template <typename Sql>
uint64 execute(Binding &binding, Statement &statement, const Batch &batch, const List *relations, const Sql &sql)
{
	if (batch.size() == 0)
		return 0;
	return execute(binding, plan_of(binding, statement, batch.size(), relations, sql), batch);
}

/// The one row that a plan returns for a batch, as parameters for another statement.
ParamListInfo row_of(const Binding &binding, const Plan &plan, const Batch &batch);

} // namespace contact_sync
