mod answer;
mod arguments;
mod calendar;
