DROP TABLE schedule_events;
DROP TABLE schedules;
DROP TABLE subscriptions;
